"""Tables of comma-separated values: their separator and columns; every column is read as text.

By default, the reader guesses a type for each column, and guesses again every ten thousand rows.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.data.compression import open_text
from mlm_core.data.default_column import DEFAULT
from mlm_core.data.errors import dataset_error
from mlm_core.data.local_files import LocalFiles
from mlm_core.data.table_columns import check_names

_SEPARATORS = (",", ";", "\t")
"""The comma is preferred. In much of Europe, spreadsheets write semicolons."""

_WIDE = 1000
"""Columns; of a table with more, only the text is read."""


def table_options(files: LocalFiles, wanted: str | None) -> Mapping[str, Any]:
    """The options with which `datasets` reads these tables: the separator, and every column as text.

    Args:
        files: the tables.
        wanted: the value of `--text-column`, or None.

    Raises:
        RequestError: two columns have the same name, or a file lacks the column with the text.
        UnicodeDecodeError: a file is not UTF-8.
    """
    import datasets

    separator = separator_of(files.paths[0])
    headers = [_columns(path, separator) for path in files.paths]
    common = _common(files, headers, wanted)
    name = wanted or DEFAULT
    if len(common) > _WIDE and name in common:
        # `datasets` compares each column with each other. The last one tells whether a row is too short.
        common = list(dict.fromkeys([name, common[-1]]))
    return {
        "sep": separator,
        "encoding": "utf-8-sig",
        # No cell counts as missing, not even NA: a cell is the text in it.
        "na_filter": False,
        "features": datasets.Features({name: datasets.Value("string") for name in common}),
    }


def _common(files: LocalFiles, headers: list[list[str]], wanted: str | None) -> list[str]:
    """The columns that all files have; where they differ, the text must be among these."""
    sets = [set(header) for header in headers]
    common = [name for name in headers[0] if all(name in header for header in sets)]
    if all(len(header) == len(common) for header in sets) or (wanted or DEFAULT) in common:
        return common
    other = next(number for number, header in enumerate(sets) if header != sets[0])
    only = [name for name in (*headers[0], *headers[other]) if name not in common]
    raise dataset_error(
        str(files.paths[other]),
        f"has other columns than {files.paths[0].name}: {', '.join(map(repr, only[:6]))} not in both",
        "mixed_columns",
        "name a column that all files have with --text-column, or give one file at a time",
    )


def separator_of(path: Path) -> str:
    """The character that separates the names in the first line.

    Raises:
        UnicodeDecodeError: the file is not UTF-8.
    """
    with open_text(path, newline="") as file:
        first: list[str] = next(csv_rows(file, _SEPARATORS[0]), [])
        line = _SEPARATORS[0].join(first)
    counts = {sign: len(next(csv.reader([line], delimiter=sign), [])) for sign in _SEPARATORS[1:]}
    best = max(counts, key=lambda sign: counts[sign])
    return best if len(first) == 1 and counts[best] > 1 else _SEPARATORS[0]


def csv_rows(file: Any, separator: str, *, strict: bool = False) -> Any:
    """A `csv.reader` over a table; a cell may be longer than the limit of the module `csv`."""
    csv.field_size_limit(2**31 - 1)
    return csv.reader(file, delimiter=separator, strict=strict)


def _columns(path: Path, separator: str) -> list[str]:
    with open_text(path, newline="") as file:
        header: list[str] = next(csv_rows(file, separator), [])
    # The names that pandas gives to columns without a name, for example to a saved index.
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
    check_names(names, path, "rename one of them in the first line")
    return names
