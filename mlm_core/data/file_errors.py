"""Which file and line are wrong: the errors of `datasets` name neither, so the files are read again here."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

from mlm_core.data.compression import UNREADABLE, open_bytes, open_text, unreadable_reason
from mlm_core.data.csv_tables import csv_rows, separator_of
from mlm_core.data.errors import dataset_error
from mlm_core.data.file_kinds import FileKind
from mlm_core.data.json_lines import NotRowsError, array_lines, is_one_value, parsed
from mlm_core.data.local_files import LocalFiles
from mlm_core.errors import RequestError


def find_file_error(files: LocalFiles, *, first_row_only: bool = False) -> RequestError | None:
    """The first error in text, CSV or JSON files; None where the files look right, or are of other kinds.

    Args:
        files: the files to read.
        first_row_only: check only the first row after the header of a CSV table.
    """
    for path in files.paths:
        message = _error_in(path, files.kind, 1 if first_row_only else None)
        if message is not None:
            return dataset_error(str(path), message, "malformed_file")
    return None


def _error_in(path: Path, kind: FileKind, rows: int | None) -> str | None:
    if kind.builder not in ("text", "csv", "json"):
        return None
    try:
        if kind.builder == "json":
            return _json_error(path)
        if kind.builder == "csv" and rows is None:
            with open_text(path, newline="") as file:
                opened = _open_quotation(file, separator_of(path))
            if opened is not None:
                return opened
        with open_text(path, newline="" if kind.builder == "csv" else "\n") as file:
            if kind.builder == "csv":
                return _csv_error(file, separator_of(path), rows)
            for _ in file:
                pass
    except UnicodeDecodeError as error:
        return _encoding_error(path, error)
    except UNREADABLE as error:
        return unreadable_reason(error)
    return None


def _encoding_error(path: Path, error: UnicodeDecodeError) -> str:
    wrong = error.object[error.start]
    place = f"line {_line_not_utf8(path)} is not UTF-8 text (byte 0x{wrong:02x})"
    with suppress(*UNREADABLE), open_bytes(path) as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return f"{place}: the file is UTF-16; save it as UTF-8"
    return f"{place}; save it as UTF-8"


def _line_not_utf8(path: Path) -> int:
    """The number of the first line that is not UTF-8, counted from 1."""
    number = 0
    # A compressed file may be damaged further on.
    with suppress(*UNREADABLE), open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number + 1


def _json_error(path: Path) -> str | None:
    # Opened again for each reading: not every compressed file can go back to its start.
    with open_text(path) as file:
        one_value = is_one_value(file)
    with open_text(path) as file:
        return _array_error(file.read()) if one_value else _lines_error(file)


def _lines_error(file: IO[str]) -> str | None:
    number = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = parsed(line.strip())
        except ValueError as error:
            colno = f" at character {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            place = f"{getattr(error, 'msg', error)}{colno}"
            return f"line {number} is not JSON ({place}); write one JSON object a line, or one array"
        if not isinstance(row, dict):
            return f"line {number} is not a JSON object"
    return "holds no rows" if number == 0 else None


def _array_error(content: str) -> str | None:
    try:
        array_lines(content)
        return None
    except json.JSONDecodeError as error:
        return f"line {error.lineno} is not JSON ({error.msg})"
    except NotRowsError:
        rows = parsed(content)
    except ValueError as error:
        return f"is not JSON ({error})"
    if not isinstance(rows, list):
        return "holds no array of JSON objects"
    wrong = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    return f"item {wrong} of the array is not a JSON object" if wrong is not None else "the array is empty"


def _open_quotation(file: Iterable[str], separator: str) -> str | None:
    """The row in which a quotation mark opens that nothing closes: it swallows the rest of the file."""
    rows = csv_rows(file, separator, strict=True)
    begins = 1
    try:
        for _ in rows:
            begins = rows.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            return f"the row that begins in line {begins} has a quotation mark that is never closed"
    return None


def _csv_error(file: Iterable[str], separator: str, count: int | None) -> str | None:
    """The first of `count` rows that has more or fewer fields than the header."""
    rows = csv_rows(file, separator)
    try:
        header: list[str] = next(rows, [])
        for row in islice(rows, count):
            if row and len(row) != len(header):
                return f"line {rows.line_num} has {len(row)} fields, the header has {len(header)}"
    except csv.Error as error:
        return f"line {rows.line_num} is not CSV ({error})"
    return None
