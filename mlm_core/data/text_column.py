"""The text in a table's rows: which column, and what is made of lists and nested values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow
import pyarrow.compute

from mlm_core.data.documents import Rows
from mlm_core.data.errors import no_such_column, not_text, only_candidate
from mlm_core.errors import RequestError

_MIXED = "Json"
"""The library's feature for a column whose values are of several types, each kept as JSON."""

_STRINGS = {"string", "large_string", "string_view"}


class ColumnTexts:
    """The texts of one column, nested as in `answers.text`; lists of strings are joined with one space."""

    def __init__(self, rows: Any, column: str) -> None:
        self._rows = rows
        self._column = column
        self._path = [column] if column in rows.column_names else column.split(".")
        # Arrow, so that of a nested column only what is wanted becomes Python objects.
        self._cells = rows.select_columns(self._path[:1]).with_format("arrow")
        self._encoded = type(_opened(_feature_at(rows.features, column))[0]).__name__ == _MIXED

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, rows: Rows) -> list[str]:
        """See `Texts.fetch`.

        Raises:
            RequestError: a cell holds something else than text.
        """
        name, *path = self._path
        cells = self._cells[rows.tolist()][name]
        while path and pyarrow.types.is_struct(cells.type):
            cells = pyarrow.compute.struct_field(cells, path.pop(0))
        found = zip(rows.tolist(), cells.to_pylist(), strict=True)
        return [self._text(row, cell, path) for row, cell in found]

    def raw(self, row: int) -> Any:
        """See `Texts.raw`."""
        return self._rows[row]

    def _text(self, row: int, cell: Any, path: list[str]) -> str:
        if self._encoded and cell is not None:
            cell = json.loads(cell)
        return joined_text(cell, path, row, self._column)


def joined_text(value: Any, path: list[str], row: int, column: str) -> str:
    """The string at a path below a value, lists of strings joined with one space; empty where nothing is.

    Raises:
        RequestError: there is something else than text; `row` and `column` are for its message.
    """
    try:
        return value if isinstance(value, str) and not path else " ".join(_strings(value, path))
    except TypeError as error:
        raise RequestError(
            f"row {row + 1} holds {error}, not text",
            code="wrong_column",
            option="--text-column",
            value=column,
            fix="make it text, or leave the row out",
        ) from None


def _strings(value: Any, path: list[str]) -> Iterator[str]:
    """Every string at the path below a value, lists opened on the way."""
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


def text_columns(features: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The columns that hold strings or lists of strings, nested ones with their path."""
    found = []
    for name, feature in features.items():
        inner, lists = _opened(feature)
        if isinstance(inner, Mapping):
            found += text_columns(inner, f"{prefix}{name}.")
        elif lists < 2 and _is_text(inner):
            found.append(prefix + name)
    return found


def choose_column(
    features: Mapping[str, Any], wanted: str | None, dataset: str, likely: list[str] | None = None
) -> str:
    """The column with the text: the one asked for, "text", or the only one that can be it.

    Args:
        features: of the table.
        wanted: what was asked for.
        dataset: what an error calls it.
        likely: the columns to choose from where more are strings than hold text.

    Raises:
        RequestError: there is no such column, it holds no text, or several could be meant.
    """
    candidates = likely if likely else text_columns(features)
    if wanted is None:
        columns = {name: _described(feature) for name, feature in features.items()}
        return only_candidate(candidates, columns, dataset)
    found = _feature_at(features, wanted)
    # Lists of lists of strings are no candidates, but what is asked for is taken.
    if wanted in candidates or _is_text(_opened(found)[0]):
        return wanted
    if found is None:
        raise no_such_column(dataset, wanted, candidates)
    raise not_text(wanted, _described(found), candidates)


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in _STRINGS or type(feature).__name__ == _MIXED


def _described(feature: Any) -> str:
    inner, lists = _opened(feature)
    if isinstance(inner, Mapping):
        return f"columns {', '.join(inner)}"
    return "lists of " * lists + str(getattr(inner, "dtype", type(inner).__name__))


def _feature_at(features: Mapping[str, Any], column: str) -> Any:
    """What is at a path; None where nothing is."""
    if column in features:
        return features[column]
    name, _, rest = column.partition(".")
    if name not in features or not rest:
        return None
    inner, _ = _opened(features[name])
    return _feature_at(inner, rest) if isinstance(inner, Mapping) else None


def _opened(feature: Any) -> tuple[Any, int]:
    """What is inside of lists, and how many lists are around it."""
    lists = 0
    while True:
        if isinstance(feature, list):
            feature = feature[0]
        elif hasattr(feature, "feature"):
            feature = feature.feature
        else:
            return feature, lists
        lists += 1
