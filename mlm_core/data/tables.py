"""Tables of comma-separated values: which separator, which columns, all of them read as text.

Left to itself a reader guesses a type for each column, and again for every ten thousand rows.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.data.compression import open_text
from mlm_core.data.errors import dataset_refusal
from mlm_core.data.local_files import LocalFiles

_SEPARATORS = (",", ";", "\t")
"""The comma is taken where it does. In much of Europe spreadsheets write semicolons."""

_LOOKED_AT = 1000
"""Rows from which it is told whether a column holds numbers."""


def table_options(files: LocalFiles) -> Mapping[str, Any]:
    """What the `datasets` library is told to read these tables: separator, and every column as text.

    Raises:
        RequestError: two columns have one name, or the files have no column in common.
        UnicodeDecodeError: a file is not UTF-8.
    """
    import datasets

    separator = separator_of(files.paths[0])
    headers = [_columns(path, separator) for path in files.paths]
    common = [name for name in headers[0] if all(name in header for header in headers)]
    if not common:
        raise dataset_refusal(str(files.paths[0]), "shares no column with the other files", "mixed_columns")
    return {
        "sep": separator,
        "encoding": "utf-8-sig",
        # Nothing is missing, not even what says NA: a cell is the text that stands there.
        "na_filter": False,
        "features": datasets.Features({name: datasets.Value("string") for name in common}),
    }


def separator_of(path: Path) -> str:
    """What separates the names in the first line."""
    with open_text(path) as file:
        first: list[str] = next(csv_rows(file, _SEPARATORS[0]), [])
        line = _SEPARATORS[0].join(first)
    counts = {sign: len(next(csv.reader([line], delimiter=sign), [])) for sign in _SEPARATORS[1:]}
    best = max(counts, key=lambda sign: counts[sign])
    return best if len(first) == 1 and counts[best] > 1 else _SEPARATORS[0]


def csv_rows(file: Any, separator: str) -> Any:
    """The rows of a table; documents may be longer than the module's own limit for a cell."""
    csv.field_size_limit(2**31 - 1)
    return csv.reader(file, delimiter=separator)


def without_numbers(rows: Any) -> list[str]:
    """The columns that hold more than numbers."""
    looked_at = rows[:_LOOKED_AT]
    return [name for name in rows.column_names if not all(map(_is_number, looked_at[name]))]


def _columns(path: Path, separator: str) -> list[str]:
    with open_text(path) as file:
        header: list[str] = next(csv_rows(file, separator), [])
    # As pandas calls a column without a name, an index that was written along for instance.
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"two columns are called {twice}"
        raise dataset_refusal(str(path), message, "malformed_file", "rename one in the first line")
    return names


def _is_number(cell: str | None) -> bool:
    if not cell or not cell.strip():
        return True
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return cell.strip().lower() in ("true", "false")
    return True
