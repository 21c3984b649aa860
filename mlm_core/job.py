"""A job: the request with everything decided that does not need a framework."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mlm_core.batch import BatchAssembler
from mlm_core.config import Config
from mlm_core.errors import RequestError
from mlm_core.families import length_limit
from mlm_core.initialization import InitialWeights, ModelOutline, initial_weights
from mlm_core.model_source import (
    ModelSource,
    load_model_source,
    recommended_options,
    set_dropout,
)
from mlm_core.plan import BatchPlan, evaluation_keys
from mlm_core.prepare import prepare_data
from mlm_core.schedule import learning_rates
from mlm_core.sources import Source
from mlm_core.split import split_documents
from mlm_core.tokenization import masking_rule
from mlm_core.weight_files import read_weights

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class EvaluationJob:
    """What an evaluation needs.

    Attributes:
        config: the options, every one resolved.
        source: the text.
        model: config, tokenizer and origin of the model.
        test: batches of held-out text by block key, with the evaluation's fixed masks.
        evaluation_keys: `[batches, batch]` int64, the rows of one evaluation.
    """

    config: Config
    source: Source
    model: ModelSource
    test: BatchAssembler
    evaluation_keys: NDArray[np.int64]

    def starting_weights(self, outline: ModelOutline) -> InitialWeights:
        """Every weight the model starts from; see `initial_weights`."""
        checkpoint = read_weights(self.model.weights) if self.model.weights is not None else None
        return initial_weights(outline, checkpoint, self.model.config, self.config.seed, self.model.name)


@dataclass(frozen=True, eq=False)
class TrainingJob(EvaluationJob):
    """What a training run needs besides.

    Attributes:
        train: batches of training text by block key.
        plan: block keys by step.
        learning_rates: `[steps]` float32.
    """

    train: BatchAssembler
    plan: BatchPlan
    learning_rates: NDArray[np.float32]


def training_job(config: Config, source: Source) -> TrainingJob:
    """Split, tokenise and plan.

    Raises:
        RequestError: the data, the model or their combination is wrong.
    """
    resolved = config.resolved(recommended_options(config))
    split = split_documents(source.documents, decided(resolved.test_size), resolved.seed)
    evaluation, train = _assemble(config, resolved, source, split.train, split.test)
    assert train is not None
    resolved = evaluation.config
    plan = _plan(resolved, len(train.blocks))
    rates = learning_rates(
        decided(resolved.learning_rate),
        plan.steps,
        scheduler=resolved.lr_scheduler,
        warmup_steps=decided(resolved.warmup_steps),
    )
    return TrainingJob(**vars(evaluation), train=train, plan=plan, learning_rates=rates)


def evaluation_job(config: Config, source: Source, *, whole: bool, fingerprint: str | None) -> EvaluationJob:
    """What an evaluation of a finished model needs.

    Args:
        config: the options of the run, with the run as its model.
        source: the text.
        whole: evaluate on all of the text, not on a held-out share.
        fingerprint: the text must have it; None: any text.

    Raises:
        RequestError: the data, the model or their combination is wrong, or the text is another.
    """
    if fingerprint is not None and source.fingerprint != fingerprint:
        raise RequestError(
            "the text has changed since this model was trained, so its held-out part is not known",
            code="changed_data",
            option="--dataset",
            value=source.name,
            fix="say what to evaluate on with --dataset",
        )
    resolved = config.resolved(recommended_options(config))
    test = source.documents
    if not whole:
        test = split_documents(test, decided(resolved.test_size), resolved.seed).test
    evaluation, _ = _assemble(config, resolved, source, None, test)
    return evaluation


def decided(value: T | None) -> T:
    """A value that a resolved config cannot lack."""
    assert value is not None
    return value


def _assemble(
    given: Config, resolved: Config, source: Source, train: list[str] | None, test: list[str]
) -> tuple[EvaluationJob, BatchAssembler | None]:
    model = load_model_source(resolved, train or [])
    resolved = replace(resolved, block_size=_fitting_block_size(given, resolved, model))
    if resolved.dropout is not None:
        set_dropout(model.config, resolved.dropout)
    rule = masking_rule(model.tokenizer, resolved, model.config.vocab_size, model.name)
    data = prepare_data(train, test, model.tokenizer, rule, resolved)
    keys = evaluation_keys(len(data.test.blocks), decided(resolved.batch_size))
    return EvaluationJob(resolved, source, model, data.test, keys), data.train


def _fitting_block_size(given: Config, resolved: Config, model: ModelSource) -> int:
    """The block size, checked against the model's limit; a default gives way to the limit."""
    block_size, limit = decided(resolved.block_size), length_limit(model.config)
    if limit is None or block_size <= limit:
        return block_size
    if given.block_size is None:
        return limit
    raise RequestError(
        f"the model takes at most {limit} tokens",
        code="block_too_long",
        option="--block-size",
        value=block_size,
        fix=f"give --block-size {limit} or less",
    )


def _plan(config: Config, blocks: int) -> BatchPlan:
    rows = decided(config.batch_size) * config.gradient_accumulation_steps
    steps = config.max_steps or decided(config.epochs) * -(-blocks // rows)
    return BatchPlan(blocks=blocks, batch_size=rows, seed=config.seed, steps=steps)
