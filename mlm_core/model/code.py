"""Python files that come with a model, and whether they may run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlm_core.config.config import ModelConfig
from mlm_core.errors import RequestError

_CONFIG, _TOKENIZER = "config.json", "tokenizer_config.json"
"""Files that say under `auto_map` where code is."""


def code_files(directory: Path) -> list[Path]:
    """The modules that a model directory names, and what these import from beside themselves.

    Raises:
        ValueError: a file of settings is not JSON.
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
    """Refuse to run code that may be other code tomorrow.

    Raises:
        RequestError: the model's revision is no commit.
    """
    if config.trust_remote_code and not re.fullmatch(r"[0-9a-f]{40}", config.model_revision or ""):
        raise unpinned()


def unpinned() -> RequestError:
    """The code of a model is not of a commit that the user has named."""
    return RequestError(
        "runs code that anyone who may write to the repository can change",
        code="unpinned_code",
        option="--trust-remote-code",
        fix="read it, and name its commit, all 40 digits, with --model-revision",
    )


def may_run(directory: Path, settings: Mapping[str, Any], model: str) -> bool:
    """Whether a model that is trusted comes with code of its own.

    Args:
        directory: of the model.
        settings: its `config.json`.
        model: what the user calls it.

    Raises:
        RequestError: its code is somewhere else, or a file of its settings is damaged.
    """
    try:
        places = [*_places(settings), *_places(_settings(directory / _TOKENIZER))]
    except ValueError as error:
        message = f"a file of its settings cannot be read ({error})"
        raise RequestError(message, code="not_a_model", option="--model", value=model) from None
    if any("--" in place for place in places):
        message = "its code is in another repository, whose commit is not named"
        raise RequestError(message, code="unpinned_code", option="--model", value=model, fix="copy it here")
    return bool(places)


def _settings(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _places(settings: Any) -> Iterator[str]:
    """Where classes are, as `module.Class`, or `ORG/NAME--module.Class`."""
    where = settings.get("auto_map") if isinstance(settings, Mapping) else None
    for value in where.values() if isinstance(where, dict) else ():
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
