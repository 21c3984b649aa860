"""A job: the request with everything decided that does not need a framework."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlm_core.batch import BatchAssembler
from mlm_core.config import Config, decided
from mlm_core.data.documents import Documents
from mlm_core.data.prepare import prepare_data
from mlm_core.data.sources import Source
from mlm_core.data.split import Split, split_documents
from mlm_core.data.store import StoreFacts
from mlm_core.errors import RequestError
from mlm_core.families import length_limit
from mlm_core.model_source import (
    ModelSource,
    load_model_source,
    model_directory,
    recommended_options,
    set_dropout,
)
from mlm_core.plan import BatchPlan, evaluation_keys
from mlm_core.progress import Progress
from mlm_core.schedule import learning_rates

_SHORTEST_RUN_IN_WARMUPS = 5
"""A run has at least this many times the steps of a recommended warm-up; that of 100 steps has its 20."""


@dataclass(frozen=True, eq=False)
class EvaluationJob:
    """What an evaluation needs.

    Attributes:
        config: the options, every one resolved.
        source: the text.
        model: config, tokenizer and origin of the model.
        test: batches of held-out text by block key, with the evaluation's fixed masks.
        evaluation_keys: `[batches, batch]` int64, the rows of one evaluation.
        stores: what the prepared text holds, by part.
    """

    config: Config
    source: Source
    model: ModelSource
    test: BatchAssembler
    evaluation_keys: NDArray[np.int64]
    stores: Mapping[str, StoreFacts]


@dataclass(frozen=True, eq=False)
class TrainingJob(EvaluationJob):
    """What a training run needs besides.

    Attributes:
        documents: the texts to train on.
        train: batches of training text by block key.
        plan: block keys by step.
        learning_rates: `[steps]` float32.
    """

    documents: Documents
    train: BatchAssembler
    plan: BatchPlan
    learning_rates: NDArray[np.float32]


def training_job(config: Config, source: Source, progress: Progress) -> TrainingJob:
    """Split, tokenise and plan.

    Raises:
        RequestError: the data, the model or their combination is wrong.
    """
    _check_processes()
    directory = model_directory(config)
    resolved, split = _split(config, source, directory)
    model = _load_model(resolved, directory, split.train, progress)
    evaluation, train = _assemble(config, resolved, source, model, split.train, split.test, progress)
    assert train is not None
    resolved = evaluation.config
    plan = _plan(resolved, len(train.blocks))
    if config.warmup_steps is None:
        # A recommended warm-up is for longer runs than some texts make.
        warmup = min(decided(resolved.warmup_steps), plan.steps // _SHORTEST_RUN_IN_WARMUPS)
        resolved = replace(resolved, warmup_steps=warmup)
        evaluation = replace(evaluation, config=resolved)
    rates = learning_rates(
        decided(resolved.learning_rate),
        plan.steps,
        scheduler=resolved.lr_scheduler,
        warmup_steps=decided(resolved.warmup_steps),
    )
    return TrainingJob(
        **vars(evaluation), documents=split.train, train=train, plan=plan, learning_rates=rates
    )


def evaluation_job(
    config: Config, source: Source, progress: Progress, *, whole: bool, fingerprint: str | None
) -> EvaluationJob:
    """What an evaluation of a finished model needs.

    Args:
        config: the options of the run, with the run as its model.
        source: the text.
        progress: where it is said how far the preparation is.
        whole: evaluate on all of the text, not on a held-out share; where the dataset has a split of its
            own to evaluate on, on that.
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
    if config.model is None:
        raise RequestError("an evaluation needs a model", code="no_model", option="--model", fix="name one")
    directory = model_directory(config)
    if whole:
        resolved = config.resolved(recommended_options(config, directory))
        test = source.held_out or source.documents
    else:
        resolved, split = _split(config, source, directory)
        test = split.test
    model = _load_model(resolved, directory, None, progress)
    evaluation, _ = _assemble(config, resolved, source, model, None, test, progress)
    return evaluation


def _split(config: Config, source: Source, directory: Path | None) -> tuple[Config, Split]:
    """The resolved config, and what is trained and evaluated on.

    The dataset's own split is taken unless a share was asked for; then there is no share to record.
    """
    resolved = config.resolved(recommended_options(config, directory))
    if source.held_out is not None:
        return replace(resolved, test_size=None), Split(source.documents, source.held_out)
    return resolved, split_documents(
        source.documents, decided(resolved.test_size), resolved.seed, source.name
    )


def _load_model(
    config: Config, directory: Path | None, train: Documents | None, progress: Progress
) -> ModelSource:
    with progress.phase("loading the tokenizer"):
        return load_model_source(config, directory, train)


def _assemble(
    given: Config,
    resolved: Config,
    source: Source,
    model: ModelSource,
    train: Documents | None,
    test: Documents,
    progress: Progress,
) -> tuple[EvaluationJob, BatchAssembler | None]:
    resolved = replace(resolved, block_size=_fitting_block_size(given, resolved, model))
    if resolved.dropout is not None:
        set_dropout(model.config, resolved.dropout)
    data = prepare_data(train, test, model, resolved, progress)
    keys = evaluation_keys(len(data.test.blocks), decided(resolved.batch_size))
    return EvaluationJob(resolved, source, model, data.test, keys, data.stores), data.train


def _check_processes() -> None:
    """Refuse to be one of several processes: each would train on the whole plan."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world != "1":
        raise RequestError(
            "training in several processes is not supported",
            code="several_processes",
            option="WORLD_SIZE",
            value=world,
            fix="start one process",
        )


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
