"""From the options that were given to a config in which every option is decided.

The way of a value: given by the user, else recorded by the run that is resumed, else recommended by the
model, else the option's fallback. Two defaults depend on more than that: the block size gives way to the
model's limit, and a recommended warm-up to the length of the run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config, required
from mlm_core.data.sources import Source
from mlm_core.errors import RequestError
from mlm_core.framework import Framework
from mlm_core.model.architectures import length_limit
from mlm_core.model.files import ModelFiles
from mlm_core.system.machine import cores
from mlm_core.training.run_directory import config_of, read_facts

TEXT_OPTIONS = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options about the text: a resumed run compares its blocks, and names the first of these."""

_EACH_TIME = (
    "device", "output_dir", "resume", "allow_change", "overwrite", "quiet", "verbose", "verify_batches",
)  # fmt: skip
"""Options that a resumed run does not take from its record."""

_SHORTEST_RUN_IN_WARMUPS = 5
"""A run has at least this many times the steps of a recommended warm-up; that of 100 steps has its 20."""


def with_recorded(config: Config) -> Config:
    """The config with the options of the run that it resumes, where none were given.

    Args:
        config: what was given; `config.given` says which options.
    """
    if not config.resume or config.output_dir is None:
        return config
    values = config.to_dict()
    chosen = {name: values[name] for name in config.given if values[name] is not None}
    try:
        facts = read_facts(Path(config.output_dir))
        recorded = config_of(facts, Path(config.output_dir)).to_dict() if facts is not None else {}
    except RequestError:
        # What is wrong with the record is said when the run is opened.
        return config
    if chosen.get("precision") == "auto" and "precision" in recorded:
        # It was decided when the run began.
        del chosen["precision"]
    if "dataset" in chosen and str(Path(str(chosen["dataset"])).absolute()) != recorded.get("dataset"):
        recorded = {name: value for name, value in recorded.items() if name not in TEXT_OPTIONS}
    if "epochs" in chosen:
        # The length was asked for in the other way.
        recorded.pop("max_steps", None)
    return Config(**({name: value for name, value in recorded.items() if name not in _EACH_TIME} | chosen))


def resolve(config: Config, framework: Framework | None, files: ModelFiles, source: Source) -> Config:
    """The config with every option decided, but for what depends on the model's limit and the run's length.

    Args:
        config: what was given and recorded.
        framework: decides `backend`, `threads` and `precision`; None: they stay open, nothing is computed.
        files: of the model, fetched.
        source: the text; where the dataset brings a held-out part, there is no share to record.

    Raises:
        RequestError: the model's `config.json` recommends what no option can be.
    """
    if framework is not None:
        config = replace(
            config,
            backend=framework.name,
            threads=config.threads or cores(),
            precision=framework.auto_precision(config.device)
            if config.precision == "auto"
            else config.precision,
        )
    resolved = config.resolved(files.recommended(from_scratch=config.from_scratch))
    return resolved if source.held_out is None else replace(resolved, test_size=None)


def fit_block_size(resolved: Config, config: Config, model_config: Any) -> Config:
    """The block size, checked against the model's limit; a default gives way to the limit.

    Args:
        resolved: as `resolve` returns it.
        config: what was given.
        model_config: transformers' config.

    Raises:
        RequestError: the block size that was given is too large.
    """
    block_size, limit = required(resolved.block_size), length_limit(model_config)
    if limit is None or block_size <= limit:
        return resolved
    if config.block_size is None:
        return replace(resolved, block_size=limit)
    raise RequestError(
        f"the model takes at most {limit} tokens",
        code="block_too_long",
        option="--block-size",
        value=block_size,
        fix=f"give --block-size {limit} or less",
    )


def fit_warmup(resolved: Config, config: Config, steps: int) -> Config:
    """The warm-up; a recommended one is for longer runs than some texts make.

    Args:
        resolved: as `resolve` returns it.
        config: what was given.
        steps: optimizer steps of the run.
    """
    if config.warmup_steps is not None:
        return resolved
    return replace(
        resolved, warmup_steps=min(required(resolved.warmup_steps), steps // _SHORTEST_RUN_IN_WARMUPS)
    )
