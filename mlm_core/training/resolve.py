"""Resolves the given options to a config in which every option has a value.

A value is the user's, else the one recorded by the run that is resumed, else the model's recommendation, else
the option's fallback. Two defaults depend on more: the model's limit caps the block size, and the length of
the run caps a recommended warm-up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlm_core.config.config import Config, required
from mlm_core.data.sources import Source
from mlm_core.errors import RequestError
from mlm_core.framework import Framework
from mlm_core.model.architectures import length_limit
from mlm_core.model.find_model import ModelFiles
from mlm_core.model.scratch import rates_from_scratch
from mlm_core.visible import quantity

_SHORTEST_RUN_IN_WARMUPS = 5
"""A run is at least this many times as long as a recommended warm-up: a run of 100 steps has at most 20."""


def resolve(config: Config, framework: Framework | None, files: ModelFiles, source: Source) -> Config:
    """Resolve every option, except for those that depend on the model's limit or on the run's length.

    Args:
        config: given and recorded options.
        framework: sets `backend`, `threads` and `precision`; None: they stay as they are.
        files: of the model, fetched.
        source: the text; if the dataset has its own held-out part, `test_size` becomes None.

    Raises:
        RequestError: the model's `config.json` recommends an invalid value.
    """
    if framework is not None:
        config = replace(
            config,
            backend=framework.name,
            threads=framework.ranks.place.threads(config.threads),
            precision=framework.auto_precision(config.device)
            if config.precision == "auto"
            else config.precision,
        )
    recommended = files.recommended(from_scratch=config.from_scratch)
    if config.from_scratch and files.directory is not None:
        recommended = rates_from_scratch(files.settings)
    resolved = config.resolved(recommended)
    return resolved if source.held_out is None else replace(resolved, test_size=None)


def fit_block_size(resolved: Config, config: Config, model_config: Any) -> Config:
    """Check a given block size against the model's limit; cap a default at the limit.

    Args:
        resolved: the result of `resolve`.
        config: the given options.
        model_config: transformers' config.

    Raises:
        RequestError: the given block size is too large.
    """
    block_size, limit = required(resolved.block_size), length_limit(model_config)
    if limit is None or block_size <= limit:
        return resolved
    if config.block_size is None:
        return replace(resolved, block_size=limit)
    raise RequestError(
        f"the model takes at most {quantity(limit, 'token')}",
        code="block_too_long",
        option="--block-size",
        value=block_size,
        fix=f"give --block-size {limit} or less",
    )


def fit_warmup(resolved: Config, config: Config, steps: int) -> Config:
    """Cap a recommended warm-up, which suits long runs, at a share of the run's steps.

    Args:
        resolved: the result of `resolve`.
        config: the given options.
        steps: optimizer steps of the run.
    """
    if config.warmup_steps is not None:
        return resolved
    return replace(
        resolved, warmup_steps=min(required(resolved.warmup_steps), steps // _SHORTEST_RUN_IN_WARMUPS)
    )
