"""Reading `run.json`, the record of a run: its schema, and what is wrong with a record that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.system.json_files import BadJsonError, as_object, checked, parse_json, read_bounded
from mlm_core.system.os_errors import advice, reason

RECORD = "run.json"

Sums = tuple[float, int, int]
"""Of an evaluation: loss, correct, masked tokens."""


# The schemas hold what is read. Other keys, for example of a later version, are left alone.


@dataclass(frozen=True)
class _Data:
    fingerprint: str | None = None
    blocks: dict[str, str] | None = None
    model: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class _Record:
    config: dict[str, Any]
    data: _Data
    versions: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    ranks: int = 1
    mlm_head: str | None = None
    results: dict[str, Any] | None = None
    evaluations: list[Sums] | None = None
    files: list[str] | dict[str, str] = field(default_factory=list)
    model_digest: str | None = None


@dataclass(frozen=True)
class _RecorderState:
    evaluations: list[tuple[int, Sums]]
    metrics_bytes: int
    metrics_digest: str


@dataclass(frozen=True)
class _State:
    step: int
    config: dict[str, Any]
    fingerprint: str
    blocks: dict[str, str]
    model: str | None
    recorder: _RecorderState
    versions: dict[str, str] = field(default_factory=dict)
    loss_scale: tuple[float, int] | None = None


def read_facts(path: Path) -> dict[str, Any] | None:
    """Read `run.json`; None if the directory has none, or an empty one.

    Raises:
        RequestError: `run.json` cannot be read, or is damaged.
    """
    try:
        content = read_bounded(path / RECORD)
        if not content:
            # A run that was killed before it wrote its record.
            return None
        facts = as_object(parse_json(content))
        checked(facts, _Record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RequestError(
            f"run.json cannot be read ({reason(error)})",
            code="unreadable_run",
            option="RUN",
            value=str(path),
            fix=advice(error),
        ) from None
    except BadJsonError as error:
        raise RequestError(
            f"run.json is damaged ({error})",
            code="damaged_run",
            option="RUN",
            value=str(path),
            fix="restore the file, or start a new run in another --output-dir",
        ) from None
    return facts


def config_of(facts: Mapping[str, Any], path: Path) -> Config:
    """Read the config in the facts of `run.json`.

    Raises:
        RequestError: it has options unknown to this version, or invalid values.
    """
    try:
        return Config.from_dict(facts["config"])
    except RequestError as error:
        raise RequestError(
            f"run.json holds a config this version cannot read ({error})",
            code="damaged_run",
            option="RUN",
            value=str(path),
        ) from None


def check_state(facts: Mapping[str, Any], place: Path) -> None:
    """Check the types of everything in a checkpoint's `state.json` that a resumed run reads.

    Args:
        facts: the content of `state.json`.
        place: the checkpoint's directory.

    Raises:
        RequestError: something is missing, or has the wrong type.
    """
    try:
        state = checked(facts, _State)
        if state.step < 0 or state.recorder.metrics_bytes < 0:
            raise BadJsonError("a number is negative")
        if not state.recorder.evaluations or state.recorder.evaluations[0][0] != 0:
            raise BadJsonError("the evaluation before training is missing")
    except BadJsonError as error:
        raise RequestError(
            f"its state.json does not describe a checkpoint ({error})",
            code="damaged_checkpoint",
            option="--resume",
            value=str(place),
            fix="move it out of the run: --resume then takes the checkpoint before it",
        ) from None
