"""Rows of JSON: each kept as it was written, and its text taken out when it is needed.

No column has a type here, so a value of another type far down in a file changes nothing above it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from mlm_core.data.documents import BATCH, Rows
from mlm_core.data.errors import no_such_column, not_text, only_candidate
from mlm_core.data.text_column import joined_text

COLUMN = "text"
"""The column of a table of lines in which the `datasets` library puts them."""

_LOOKED_AT = 1000
"""Rows from which the candidates for the text are found."""


class JsonTexts:
    """The texts at one path of rows of JSON, such as `answers.text`.

    Args:
        lines: a `datasets.Dataset` with one column of lines, each an object or blank.
        column: the path.
    """

    def __init__(self, lines: Any, column: str) -> None:
        self._lines = lines
        self._path = column.split(".")
        self._column = column

    def __len__(self) -> int:
        return len(self._lines)

    def fetch(self, rows: Rows) -> list[str]:
        """See `Texts.fetch`.

        Raises:
            RequestError: a value is no text.
            ValueError: a line is not JSON.
        """
        lines = self._lines[rows.tolist()][COLUMN]
        return [self._text(row, _object(line)) for row, line in zip(rows.tolist(), lines, strict=True)]

    def raw(self, row: int) -> Any:
        """See `Texts.raw`."""
        return _object(self._lines[row][COLUMN])

    def _text(self, row: int, item: Mapping[str, Any]) -> str:
        # A key may itself have a dot in it.
        if self._column in item:
            return joined_text(item[self._column], [], row, self._column)
        return joined_text(item, self._path, row, self._column)


def choose_json_column(lines: Any, wanted: str | None, dataset: str) -> str:
    """The path of the text: the one asked for, "text", or the only one that can be it.

    Raises:
        RequestError: there is no such path, it holds no text, or several could be meant.
        ValueError: a line is not JSON.
    """
    found: dict[str, str] = {}
    for item in islice(_objects(lines), _LOOKED_AT):
        for path, kind in _leaves(item):
            if found.get(path) != _TEXT:
                found[path] = kind
    candidates = [path for path, kind in found.items() if kind == _TEXT]
    if wanted is None:
        return only_candidate(candidates, found, dataset)
    if wanted in candidates:
        return wanted
    if found.get(wanted, _NOTHING) == _NOTHING and any(path.startswith(f"{wanted}.") for path in found):
        raise not_text(wanted, "further columns", candidates)
    if wanted not in found and not any(_has(item, wanted) for item in _objects(lines)):
        raise no_such_column(dataset, wanted, candidates)
    kind = found.get(wanted, _TEXT)
    # Lists of lists of strings are no candidates, but what is asked for is taken.
    if kind.endswith(_TEXT) or kind == _NOTHING:
        return wanted
    raise not_text(wanted, kind, candidates)


_TEXT, _NOTHING = "text", "nothing"


def _leaves(item: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every path of an object with the kind of its value; a list of strings is text."""
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
    if isinstance(item, list):
        return any(_has(part, column) for part in item)
    if not isinstance(item, dict):
        return False
    if column in item:
        return True
    name, _, rest = column.partition(".")
    return bool(rest) and name in item and _has(item[name], rest)


def _objects(lines: Any) -> Iterator[dict[str, Any]]:
    for start in range(0, len(lines), BATCH):
        stop = min(start + BATCH, len(lines))
        yield from map(_object, lines[np.arange(start, stop).tolist()][COLUMN])


def _object(line: str) -> dict[str, Any]:
    item = json.loads(line) if line.strip() else {}
    if isinstance(item, dict):
        return item
    raise ValueError(f"{type(item).__name__} in the place of an object")


def array_lines(content: str) -> list[str]:
    """The items of a JSON array, or of the one array in an object, each as a line.

    Raises:
        ValueError: it is not JSON, or there is no array of objects.
    """
    items = json.loads(content)
    if isinstance(items, dict):
        arrays = [value for value in items.values() if _is_rows(value)]
        items = arrays[0] if len(arrays) == 1 else [items]
    if not _is_rows(items):
        raise ValueError("no array of JSON objects")
    return [json.dumps(item) for item in items]


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def is_whole(first_lines: Iterable[str]) -> bool:
    """Whether a file is one JSON value over many lines, not an object a line."""
    for line in first_lines:
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            return True
        try:
            json.loads(line)
        except ValueError:
            # The beginning of an object that goes on, or a broken line: the whole file will tell.
            return line.strip() in ("{", "[")
        return False
    return False
