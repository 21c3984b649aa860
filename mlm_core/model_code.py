"""Python files that come with a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SPEAKING = ("config.json", "tokenizer_config.json")
"""Files that say under `auto_map` where code is."""


def code_places(directory: Path) -> list[str]:
    """Where a model directory says that its classes are, as `module.Class`, or `ORG/NAME--module.Class`.

    Raises:
        ValueError: a file of settings is not JSON.
    """
    return [place for name in _SPEAKING for place in _places(directory / name)]


def code_files(directory: Path) -> list[Path]:
    """The modules that a model directory speaks of, and what these import from beside themselves."""
    places = [place for place in code_places(directory) if "--" not in place]
    named = {directory / f"{place.rpartition('.')[0]}.py" for place in places}
    if not named:
        return []
    from transformers.dynamic_module_utils import get_relative_import_files

    present = {path for path in named if path.is_file()}
    imported = {Path(path) for module in present for path in get_relative_import_files(str(module))}
    return sorted(path for path in present | imported if path.is_file() and path.parent == directory)


def _places(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    settings: Any = json.loads(path.read_text(encoding="utf-8"))
    where = settings.get("auto_map") if isinstance(settings, dict) else None
    for value in where.values() if isinstance(where, dict) else ():
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
