"""The setup of a run: the request, resolved as far as possible without a framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.batch import BatchAssembler
from mlm_core.batches.plan import BatchPlan, evaluation_keys
from mlm_core.compat.model_errors import Phase
from mlm_core.config.config import Config, required
from mlm_core.data.documents import Documents
from mlm_core.data.held_out import Split, split_documents
from mlm_core.data.prepare import PreparedData, Vocabulary, prepare_data
from mlm_core.data.sources import Source
from mlm_core.data.store import StoreFacts
from mlm_core.errors import RequestError
from mlm_core.framework import Framework
from mlm_core.model.dropout_rates import set_dropout
from mlm_core.model.find_model import ModelFiles, find_model
from mlm_core.model.source import ModelSource, load_model_source
from mlm_core.optimization.schedule import learning_rates
from mlm_core.progress import Progress
from mlm_core.ranks.errors import too_many_ranks
from mlm_core.training.resolve import fit_block_size, fit_warmup, resolve
from mlm_core.training.starting import starting
from mlm_core.visible import quantity


@dataclass(frozen=True, eq=False)
class EvaluationSetup:
    """The inputs of an evaluation.

    Attributes:
        config: every option, resolved.
        source: the text.
        model: config, tokenizer and origin of the model.
        test: makes batches of held-out text from block keys, with the evaluation's fixed masks.
        evaluation_keys: `[batches, batch]` int64, the block keys of one evaluation.
        stores: facts of the prepared text, by part.
    """

    config: Config
    source: Source
    model: ModelSource
    test: BatchAssembler
    evaluation_keys: NDArray[np.int64]
    stores: Mapping[str, StoreFacts]


@dataclass(frozen=True, eq=False)
class TrainingSetup(EvaluationSetup):
    """The inputs of a training run, besides those of its evaluations.

    Attributes:
        documents: the training texts.
        held_out: the held-out texts.
        train: makes batches of training text from block keys.
        plan: block keys by step.
        learning_rates: `[steps]` float32.
    """

    documents: Documents
    held_out: Documents
    train: BatchAssembler
    plan: BatchPlan
    learning_rates: NDArray[np.float32]


def training_setup(
    config: Config,
    source: Source,
    progress: Progress,
    *,
    framework: Framework | None = None,
    files: ModelFiles | None = None,
) -> TrainingSetup:
    """Split and tokenize the text, load the tokenizer, plan the batches.

    Args:
        config: given and recorded options.
        source: the text.
        progress: shows the preparation.
        framework: trains; None: the setup is only inspected.
        files: the model's, from `find_model`; None: this function finds them.

    Raises:
        RequestError: the data, the model or their combination is wrong.
    """
    files = (files or find_model(config)).fetched(config)
    resolved = _resolved(config, framework, files, source, progress)
    split = _split(resolved, source)
    model = _load_model(resolved, files, split.train, progress)
    resolved = fit_block_size(resolved, config, model.config)
    data = _prepare(split.train, split.test, model, resolved, source.name, progress)
    assert data.train is not None
    plan = _plan(resolved, len(data.train.blocks))
    _check_masking(resolved, plan, data.maskable["training"])
    resolved = fit_warmup(resolved, config, plan.steps)
    if config.from_scratch and config.learning_rate is None and files.directory is not None and framework:
        progress.say(f"random weights: the learning rate is {resolved.learning_rate:g}, which suits them")
    rates = learning_rates(
        required(resolved.learning_rate),
        plan.steps,
        scheduler=resolved.lr_scheduler,
        warmup_steps=required(resolved.warmup_steps),
    )
    return TrainingSetup(
        **vars(_evaluation(resolved, source, model, data)),
        documents=split.train,
        held_out=split.test,
        train=data.train,
        plan=plan,
        learning_rates=rates,
    )


def evaluation_setup(
    config: Config,
    source: Source,
    progress: Progress,
    *,
    framework: Framework,
    files: ModelFiles,
    whole: bool,
    fingerprint: str | None,
) -> EvaluationSetup:
    """Prepare the evaluation of a finished model.

    Args:
        config: the options of the run, with the run as the model.
        source: the text.
        progress: shows the preparation.
        framework: evaluates.
        files: the model's; fetched here if necessary.
        whole: evaluate on the whole text, not on a held-out share; if the dataset has its own held-out split,
            on that split.
        fingerprint: required of the text; None: any text.

    Raises:
        RequestError: the data, the model or their combination is wrong, or the fingerprint differs.
    """
    if fingerprint is not None and source.fingerprint != fingerprint:
        raise RequestError(
            "the text has changed since this model was trained, so its held-out part is unknown",
            code="changed_data",
            option="--dataset",
            value=source.name,
            fix="name the text to evaluate on with --dataset",
        )
    if config.model is None:
        raise RequestError(
            "evaluation requires a model", code="no_model", option="--model", fix="name a model"
        )
    files = files.fetched(config)
    resolved = _resolved(config, framework, files, source, progress)
    test = (source.held_out or source.documents) if whole else _split(resolved, source).test
    model = _load_model(resolved, files, None, progress)
    resolved = fit_block_size(resolved, config, model.config)
    data = _prepare(None, test, model, resolved, source.name, progress)
    return _evaluation(resolved, source, model, data)


def _resolved(
    config: Config, framework: Framework | None, files: ModelFiles, source: Source, progress: Progress
) -> Config:
    """The options of `resolve`; of a framework that trains, it is checked that each replica has a row."""
    if framework is None:
        return resolve(config, framework, files, source)
    # A framework may have to be imported to tell what it can.
    with starting(framework, progress):
        resolved = resolve(config, framework, files, source)
        replicas = framework.replicas(resolved.device)
    if required(resolved.batch_size) < replicas:
        raise too_many_ranks(replicas, required(resolved.batch_size))
    return resolved


def _split(resolved: Config, source: Source) -> Split:
    """The training and the held-out documents: the dataset's own split, else a share."""
    if source.held_out is not None:
        return Split(source.documents, source.held_out)
    return split_documents(source.documents, required(resolved.test_size), resolved.seed, source.name)


def _load_model(
    resolved: Config, files: ModelFiles, train: Documents | None, progress: Progress
) -> ModelSource:
    learned = files.directory is None
    what = "learning a tokenizer from the text" if learned else "loading the tokenizer"
    with progress.phase(what):
        model = load_model_source(resolved, files, train)
    if resolved.dropout is not None:
        set_dropout(model.config, resolved.dropout)
    return model


def _prepare(
    train: Documents | None,
    test: Documents,
    model: ModelSource,
    resolved: Config,
    text: str,
    progress: Progress,
) -> PreparedData:
    """The batches of both parts; `text` is the name of the text in errors about it."""
    vocabulary = Vocabulary(model.tokenizer, model.config.vocab_size, model.name)
    try:
        return prepare_data(train, test, vocabulary, resolved, progress)
    except RequestError as error:
        if error.code == Phase.TOKENIZE.code:
            # The tokenizer knows only the directory of its files.
            error.value = model.name
        elif error.option == "--dataset" and error.value is None:
            # The documents have no name.
            error.value = text
        raise


def _evaluation(resolved: Config, source: Source, model: ModelSource, data: PreparedData) -> EvaluationSetup:
    keys = evaluation_keys(len(data.test.blocks), required(resolved.batch_size))
    return EvaluationSetup(resolved, source, model, data.test, keys, data.stores)


def _check_masking(config: Config, plan: BatchPlan, maskable: int) -> None:
    expected = config.mlm_probability * maskable * plan.epoch_at(plan.steps)
    if expected < 1:
        raise RequestError(
            f"masks less than one token in {quantity(plan.steps, 'step')}, "
            f"of {quantity(maskable, 'token')} of training text that can be masked",
            code="nothing_to_mask",
            option="--mlm-probability",
            value=config.mlm_probability,
            fix="give a higher one, more steps or more text",
        )


def _plan(config: Config, blocks: int) -> BatchPlan:
    rows = required(config.batch_size) * config.gradient_accumulation_steps
    steps = config.max_steps or required(config.epochs) * -(-blocks // rows)
    return BatchPlan(blocks=blocks, batch_size=rows, seed=config.seed, steps=steps)
