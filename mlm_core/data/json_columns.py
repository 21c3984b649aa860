"""Which path in rows of JSON leads to the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from mlm_core.data.column_errors import missing_column_error, wrong_column_error
from mlm_core.data.default_column import DEFAULT, default_column
from mlm_core.data.json_lines import json_objects

_LOOKED_AT = 1000
"""The rows in which candidates for the text are looked for."""

_TEXT, _NOTHING = "text", "nothing"


def choose_json_column(lines: Any, wanted: str | None, dataset: str) -> str:
    """The path of the text: the requested path, else "text", else the only candidate.

    Args:
        lines: a `datasets.Dataset` with one column of lines.
        wanted: the value of `--text-column`, or None.
        dataset: the dataset's name in an error.

    Raises:
        RequestError: the requested path is missing or holds no text, or several paths could be the text.
        ValueError: a line is not a JSON object.
    """
    objects = json_objects(lines)
    found: dict[str, str] = {}
    _look_at(islice(objects, _LOOKED_AT), found)
    if wanted is None:
        # Blank at first, but a text all the same.
        if found.get(DEFAULT) in (_TEXT, _NOTHING):
            return DEFAULT
        # No row decides alone: the text may begin far down, or in another file.
        _look_at(objects, found)
    candidates = [path for path, kind in found.items() if kind == _TEXT]
    if wanted is None:
        return default_column(candidates, found, dataset)
    if wanted in candidates:
        return wanted
    if found.get(wanted, _NOTHING) == _NOTHING and any(path.startswith(f"{wanted}.") for path in found):
        raise wrong_column_error(wanted, "further columns", candidates)
    if wanted not in found and not any(_has(item, wanted) for item in json_objects(lines)):
        raise missing_column_error(dataset, wanted, candidates)
    kind = found.get(wanted, _TEXT)
    # A list of lists of strings is no candidate, but is accepted on request.
    if kind.endswith(_TEXT) or kind == _NOTHING:
        return wanted
    raise wrong_column_error(wanted, kind, candidates)


def _look_at(items: Iterable[Mapping[str, Any]], found: dict[str, str]) -> None:
    """Add the kind of every path of these objects to `found`."""
    for item in items:
        for path, kind in _leaves(item):
            if found.get(path, _NOTHING) == _NOTHING or kind == _TEXT:
                found[path] = kind


def _leaves(item: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every path of an object with the kind of its value; a list of strings counts as text."""
    for name, value in item.items():
        path, lists = f"{prefix}{name}", 0
        inner = [value]
        while inner and isinstance(inner[0], list):
            inner, lists = [item for part in inner if isinstance(part, list) for item in part], lists + 1
        if any(isinstance(part, dict) for part in inner):
            for part in inner:
                if isinstance(part, dict):
                    yield from _leaves(part, f"{path}.")
            continue
        kinds = {type(part) for part in inner if part is not None}
        if not kinds:
            yield path, _NOTHING
        elif str in kinds and lists < 2:
            yield path, _TEXT
        else:
            name = _TEXT if kinds == {str} else " and ".join(sorted(kind.__name__ for kind in kinds))
            yield path, "lists of " * lists + name


def _has(item: Any, column: str) -> bool:
    """Whether the path leads to a value, even to null."""
    if isinstance(item, list):
        return any(_has(part, column) for part in item)
    if not isinstance(item, dict):
        return False
    if column in item:
        return True
    name, _, rest = column.partition(".")
    return bool(rest) and name in item and _has(item[name], rest)
