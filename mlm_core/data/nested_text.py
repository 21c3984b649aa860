"""The text inside a nested value, for example at `answers.text`; both tables and JSON rows use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlm_core.errors import RequestError


def joined_text(value: Any, path: list[str], row: int, column: str) -> str:
    """The string at a path below a value; lists of strings are joined with one space.

    Args:
        value: a string, a list, a mapping or None.
        path: the keys that lead to the text; lists on the way are opened.
        row: the row's number for an error, counted from 0.
        column: the column's name for an error.

    Returns:
        The text; empty where the path leads to nothing.

    Raises:
        RequestError: the path leads to a value that is not text.
    """
    try:
        return value if isinstance(value, str) and not path else " ".join(_strings(value, path))
    except TypeError as error:
        raise RequestError(
            f"row {row + 1} holds {error}, not text",
            code="wrong_column",
            option="--text-column",
            value=column,
            fix="make the value text, or remove the row",
        ) from None


def _strings(value: Any, path: list[str]) -> Iterator[str]:
    """Every string at the path below a value; lists on the way are opened.

    Raises:
        TypeError: the path leads to another value; the message describes the value.
    """
    if value is None:
        return
    if isinstance(value, list):
        for item in value:
            yield from _strings(item, path)
    elif path and isinstance(value, Mapping):
        yield from _strings(value.get(path[0]), path[1:])
    elif isinstance(value, str) and not path:
        yield value
    else:
        raise TypeError(f"{type(value).__name__} {value!r:.40}")
