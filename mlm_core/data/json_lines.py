"""JSON files as lines: one object a line, or one array whose items become the lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mlm_core.data.documents import BATCH

COLUMN = "text"
"""The column into which the `datasets` library reads the lines of a file."""


def json_objects(lines: Any) -> Iterator[dict[str, Any]]:
    """The object of every line, in order; `lines` is a `datasets.Dataset` with one column of lines.

    Raises:
        ValueError: a line is not a JSON object.
    """
    for start in range(0, len(lines), BATCH):
        stop = min(start + BATCH, len(lines))
        yield from map(json_object, lines[np.arange(start, stop).tolist()][COLUMN])


def json_object(line: str) -> dict[str, Any]:
    """The object of one line; empty for a blank line.

    Raises:
        ValueError: the line is not a JSON object.
    """
    item = json.loads(line) if line.strip() else {}
    if isinstance(item, dict):
        return item
    raise ValueError(f"expected a JSON object, found {type(item).__name__}")


def array_lines(content: str) -> list[str]:
    """One line for each item of a JSON array, or of the only array of objects inside a JSON object.

    Raises:
        ValueError: the content is not JSON, or there is no array of objects.
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


def is_one_value(lines: Iterable[str]) -> bool:
    """Whether a file holds one JSON value over many lines, not one object a line; reads its first lines."""
    for line in lines:
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            return True
        try:
            json.loads(line)
        except ValueError:
            # The start of an object over several lines, or a broken line; parsing the whole file decides.
            return line.strip() in ("{", "[")
        return False
    return False
