"""What is wrong with a file that could not be read: the library's errors name neither file nor line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO

from mlm_core.data.compression import UNREADABLE, open_bytes, open_text
from mlm_core.data.json_rows import array_lines, is_whole
from mlm_core.data.local_files import FileKind, LocalFiles
from mlm_core.data.tables import csv_rows, separator_of
from mlm_core.errors import RequestError


def find_fault(files: LocalFiles, *, first_row_only: bool = False) -> RequestError | None:
    """The first fault in files of text, found by reading them plainly; None where nothing was seen.

    Args:
        files: what to read.
        first_row_only: look no further than the first row, in tables.
    """
    for path in files.paths:
        reason = _fault(path, files.kind, 1 if first_row_only else None)
        if reason is not None:
            return RequestError(reason, code="malformed_file", option="--dataset", value=str(path))
    return None


def _fault(path: Path, kind: FileKind, rows: int | None) -> str | None:
    if kind.builder not in ("text", "csv", "json"):
        return None
    try:
        with open_text(path) as file:
            if kind.builder == "json":
                return _json_fault(file)
            if kind.builder == "csv":
                return _ragged_row(file, separator_of(path), rows)
            for _ in file:
                pass
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        return f"line {_line_of(path)} is not UTF-8 text (byte 0x{wrong:02x}); save it as UTF-8"
    except UNREADABLE as error:
        return f"cannot be read ({error})"
    return None


def _line_of(path: Path) -> int:
    """The first line that is not UTF-8."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _json_fault(file: IO[str]) -> str | None:
    if is_whole(file):
        file.seek(0)
        return _array_fault(file.read())
    file.seek(0)
    number = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.strip())
        except json.JSONDecodeError as error:
            place = f"{error.msg} at character {error.colno}"
            return f"line {number} is not JSON ({place}); write one JSON object a line, or one array"
        if not isinstance(row, dict):
            return f"line {number} is not a JSON object"
    return "holds no rows" if number == 0 else None


def _array_fault(content: str) -> str | None:
    try:
        array_lines(content)
        return None
    except json.JSONDecodeError as error:
        return f"line {error.lineno} is not JSON ({error.msg})"
    except ValueError:
        rows = json.loads(content)
    wrong = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    return f"item {wrong} of the array is not a JSON object" if wrong is not None else "the array is empty"


def _ragged_row(file: Iterable[str], separator: str, count: int | None) -> str | None:
    rows = csv_rows(file, separator)
    try:
        header: list[str] = next(rows, [])
        for row in islice(rows, count):
            if row and len(row) != len(header):
                return f"line {rows.line_num} has {len(row)} fields, the header has {len(header)}"
    except csv.Error as error:
        return f"line {rows.line_num} is not CSV ({error})"
    return None
