"""JSON files as lines: one object a line, or one array whose items become the lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mlm_core.data.documents import BATCH

COLUMN = "text"
"""The column into which the `datasets` library reads the lines of a file."""


class NotRowsError(ValueError):
    """JSON without an array of objects."""


def parsed(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


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
    item = parsed(line) if line.strip() else {}
    if isinstance(item, dict):
        return item
    raise ValueError(f"expected a JSON object, found {type(item).__name__}")


def array_lines(content: str) -> list[str]:
    """One line for each item of a JSON array, or of the only array of objects inside a JSON object.

    Raises:
        ValueError: the content is not JSON, or there is no array of objects.
    """
    items = parsed(content)
    if isinstance(items, dict):
        arrays = [value for value in items.values() if _is_rows(value)]
        items = arrays[0] if len(arrays) == 1 else [items]
    if not _is_rows(items):
        raise NotRowsError("no array of JSON objects")
    return [json.dumps(item) for item in items]


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def is_one_value(lines: Iterable[str]) -> bool:
    """Whether a file holds one JSON value, on one line or many, not one object a line.

    Reads its first two lines that are not blank; the whole is parsed later.
    """
    found = (line for line in lines if line.strip())
    first = next(found, "")
    if first.lstrip().startswith("["):
        return True
    try:
        parsed(first)
    except json.JSONDecodeError as error:
        # A value that goes on in the next line, or a line that is cut; parsing the whole file decides.
        return error.pos >= len(first.rstrip())
    except ValueError:
        return False
    # An object that is alone in its file may hold the rows, as {"data": [...]} does.
    return next(found, None) is None and first.lstrip().startswith("{")
