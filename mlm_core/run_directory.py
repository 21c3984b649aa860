"""A run's directory: what is in it and how it is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.config import Config
from mlm_core.errors import RequestError
from mlm_core.weight_files import WEIGHTS, write_atomically, write_weights

_FACTS, METRICS = "run.json", "metrics.jsonl"
_DEFAULT_PARENT = "runs"


def choose_run_directory(output_dir: str | None, backend: str, overwrite: bool) -> Path:
    """The directory of a new run; nothing is created yet.

    Raises:
        RequestError: it holds something and `overwrite` is off, or it cannot be a directory.
    """
    if output_dir is None:
        return _free_directory(Path(_DEFAULT_PARENT), backend)
    path = Path(output_dir)
    if path.exists() and not path.is_dir():
        raise RequestError(
            "is not a directory", code="not_a_directory", option="--output-dir", value=output_dir
        )
    if path.is_dir() and any(path.iterdir()):
        if not overwrite:
            raise RequestError(
                "the directory is not empty",
                code="run_exists",
                option="--output-dir",
                value=output_dir,
                fix="choose another, or replace the run in it with --overwrite",
            )
        if not (path / _FACTS).is_file():
            raise RequestError(
                "the directory holds something that is not a run, which --overwrite will not remove",
                code="not_a_run",
                option="--output-dir",
                value=output_dir,
                fix="choose another, or empty it yourself",
            )
    return path


def create_run_directory(path: Path) -> Path:
    """Make the directory, removing the run that was there.

    Raises:
        RequestError: it cannot be made or written to.
    """
    try:
        if path.is_dir() and (path / _FACTS).is_file():
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
        (path / METRICS).touch()
    except OSError as error:
        raise RequestError(
            f"cannot be written ({error.strerror})", code="unwritable", option="--output-dir", value=str(path)
        ) from None
    return path


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `run.json`: resolved config, versions, devices, data fingerprint, results."""
    content = json.dumps(facts, indent=2, allow_nan=False, default=str) + "\n"
    write_atomically(path / _FACTS, content.encode())


def read_facts(path: Path) -> dict[str, Any] | None:
    """The content of `run.json`; None where the directory is a model but no run of ours.

    Raises:
        RequestError: `run.json` is damaged.
    """
    try:
        facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        facts, reason = None, str(error)
    else:
        reason = "it is not an object with a config"
    if isinstance(facts, dict) and isinstance(facts.get("config"), dict):
        return facts
    raise RequestError(f"run.json cannot be read ({reason})", code="damaged_run", value=str(path))


def config_of(facts: Mapping[str, Any], path: Path) -> Config:
    """The config in `run.json`.

    Raises:
        RequestError: it holds options this version does not know, or wrong values.
    """
    try:
        return Config.from_dict(facts["config"])
    except RequestError as error:
        raise RequestError(
            f"run.json holds a config this version cannot read ({error})",
            code="damaged_run",
            value=str(path),
        ) from None


def write_model(
    path: Path, weights: Mapping[str, Any], model_config: Any, tokenizer: Any, architecture: str
) -> None:
    """Write a model directory that `AutoModelForMaskedLM.from_pretrained` opens.

    The weights are written last: a directory that has them has everything they need.
    """
    path.mkdir(parents=True, exist_ok=True)
    settings = model_config.to_dict() | {"architectures": [architecture]}
    settings.pop("torch_dtype", None)
    settings["dtype"] = "float32"
    content = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    tokenizer.save_pretrained(str(path))
    write_atomically(path / "config.json", content.encode())
    write_weights(path / WEIGHTS, weights)


def _free_directory(parent: Path, name: str) -> Path:
    candidate, number = parent / name, 1
    while candidate.exists():
        number += 1
        candidate = parent / f"{name}-{number}"
    return candidate
