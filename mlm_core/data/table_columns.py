"""Which column of a table holds the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlm_core.data.column_errors import missing_column_error, wrong_column_error
from mlm_core.data.default_column import DEFAULT, default_column
from mlm_core.data.errors import dataset_error

_MIXED = "Json"
"""The `datasets` feature of a column with values of several types; each value is stored as JSON."""

_STRINGS = {"string", "large_string", "string_view"}

_AT_ONCE = 1000
"""Rows in which numbers are looked for at a time."""


def check_names(names: Sequence[str], path: Path, fix: str) -> None:
    """Check that no two columns of a file have the same name.

    Raises:
        RequestError: two have.
    """
    counts = Counter(names)
    twice = next((name for name in names if counts[name] > 1), None)
    if twice is not None:
        raise dataset_error(str(path), f"two columns are called {twice}", "malformed_file", fix)


def choose_table_column(
    features: Mapping[str, Any], wanted: str | None, dataset: str, likely: list[str] | None = None
) -> str:
    """The column with the text: the requested column, else "text", else the only candidate.

    Args:
        features: the table's `datasets` features, by column.
        wanted: the value of `--text-column`, or None.
        dataset: the dataset's name in an error.
        likely: the candidates, where every column has the type string; None: every column of text.

    Raises:
        RequestError: the requested column is missing or holds no text, or several columns could be the text.
    """
    candidates = likely if likely is not None else text_columns(features)
    if wanted is None:
        if likely is not None and DEFAULT in features:
            return DEFAULT
        columns = {name: _described(feature) for name, feature in features.items()}
        if likely is not None:
            columns |= {name: "numbers or nothing" for name in features if name not in likely}
        return default_column(candidates, columns, dataset)
    if likely is not None and wanted in features:
        return wanted
    found = _feature_at(features, wanted)
    # A list of lists of strings is no candidate, but is accepted on request.
    if wanted in candidates or _is_text(_opened(found)[0]):
        return wanted
    if found is None:
        raise missing_column_error(dataset, wanted, candidates)
    raise wrong_column_error(wanted, _described(found), candidates)


def text_columns(features: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The columns that hold strings or lists of strings; a nested column is given by its path."""
    found = []
    for name, feature in features.items():
        inner, lists = _opened(feature)
        if isinstance(inner, Mapping):
            found += text_columns(inner, f"{prefix}{name}.")
        elif lists < 2 and _is_text(inner):
            found.append(prefix + name)
    return found


def columns_without_numbers(rows: Any) -> list[str]:
    """The columns of a table of strings, except those that hold only numbers, true, false and nothing."""
    undecided, found = list(rows.column_names), set()
    for start in range(0, len(rows), _AT_ONCE):
        if not undecided:
            break
        cells = rows.select_columns(undecided)[start : start + _AT_ONCE]
        found |= {name for name in undecided if not all(map(_is_number, cells[name]))}
        undecided = [name for name in undecided if name not in found]
    return [name for name in rows.column_names if name in found]


def holds_json(features: Mapping[str, Any], column: str) -> bool:
    """Whether the cells of a column are JSON, which `datasets` uses for values of several types."""
    return _is_mixed(_opened(_feature_at(features, column))[0])


def _is_mixed(feature: Any) -> bool:
    return type(feature).__name__ == _MIXED


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in _STRINGS or _is_mixed(feature)


def _is_number(cell: str | None) -> bool:
    if not cell or not cell.strip():
        return True
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return cell.strip().lower() in ("true", "false")
    return True


def _described(feature: Any) -> str:
    inner, lists = _opened(feature)
    if isinstance(inner, Mapping):
        return f"columns {', '.join(inner)}"
    return "lists of " * lists + str(getattr(inner, "dtype", type(inner).__name__))


def _feature_at(features: Mapping[str, Any], column: str) -> Any:
    """The feature at a path, or None."""
    if column in features:
        return features[column]
    name, _, rest = column.partition(".")
    if name not in features or not rest:
        return None
    inner, _ = _opened(features[name])
    return _feature_at(inner, rest) if isinstance(inner, Mapping) else None


def _opened(feature: Any) -> tuple[Any, int]:
    """The feature inside of nested lists, and the number of lists around it."""
    lists = 0
    while True:
        if isinstance(feature, list):
            feature = feature[0]
        elif hasattr(feature, "feature"):
            feature = feature.feature
        else:
            return feature, lists
        lists += 1
