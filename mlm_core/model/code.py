"""Remote code: the Python files that come with a model, and whether they may run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlm_core.config.model import ModelConfig
from mlm_core.errors import RequestError
from mlm_core.system.json_files import read_json

_CONFIG, _TOKENIZER = "config.json", "tokenizer_config.json"
"""The files that name code, under `auto_map`."""


def code_files(directory: Path) -> list[Path]:
    """The modules that a model directory names, and the modules next to them that they import.

    Raises:
        ValueError: `config.json` or `tokenizer_config.json` is not JSON.
    """
    settings = [_settings(directory / name) for name in (_CONFIG, _TOKENIZER)]
    places = [place for each in settings for place in _places(each) if "--" not in place]
    named = {directory / f"{place.rpartition('.')[0]}.py" for place in places}
    if not named:
        return []
    from transformers.dynamic_module_utils import get_relative_import_files

    present = {path for path in named if path.is_file()}
    imported = {Path(path) for module in present for path in get_relative_import_files(str(module))}
    return sorted(path for path in present | imported if path.is_file() and path.parent == directory)


def check_pinned(config: ModelConfig) -> None:
    """Check that code which may run is pinned to a commit, so that it cannot change.

    Raises:
        RequestError: `--trust-remote-code` is given, and `--model-revision` is not a full commit hash.
    """
    if config.trust_remote_code and not re.fullmatch(r"[0-9a-f]{40}", config.model_revision or ""):
        raise unpinned_code_error()


def unpinned_code_error() -> RequestError:
    """The error where the code to run is not from a commit that the user named."""
    return RequestError(
        "would run code that anyone with write access to the repository can change",
        code="unpinned_code",
        option="--trust-remote-code",
        fix="read the code, and give its commit, all 40 digits, with --model-revision",
    )


def may_run(directory: Path, settings: Mapping[str, Any], model: str) -> bool:
    """Whether a trusted model comes with code of its own.

    Args:
        directory: the model's directory.
        settings: the content of its `config.json`.
        model: the model's name in an error.

    Raises:
        RequestError: the code is in another repository, or `tokenizer_config.json` is not JSON.
    """
    try:
        places = [*_places(settings), *_places(_settings(directory / _TOKENIZER))]
    except ValueError as error:
        message = f"{_TOKENIZER} cannot be read ({error})"
        raise RequestError(message, code="not_a_model", option="--model", value=model) from None
    if any("--" in place for place in places):
        message = "its code is in another repository, whose commit is not given"
        raise RequestError(
            message,
            code="unpinned_code",
            option="--model",
            value=model,
            fix="copy the code into the model's directory",
        )
    return bool(places)


def _settings(path: Path) -> Any:
    # A BadJsonError is a ValueError.
    return read_json(path) if path.is_file() else {}


def _places(settings: Any) -> Iterator[str]:
    """The places of classes: `module.Class`, or `ORG/NAME--module.Class` for code in another repository."""
    where = settings.get("auto_map") if isinstance(settings, Mapping) else None
    for value in where.values() if isinstance(where, dict) else ():
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
