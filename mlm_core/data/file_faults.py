"""What is wrong with a file that could not be read: the library's errors name neither file nor line."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO, Any

from mlm_core.data.local_files import FileKind, LocalFiles
from mlm_core.errors import RequestError

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


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
        with _OPENERS.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            if kind.builder == "json":
                return _json_fault(file)
            if kind.builder == "csv":
                return _ragged_row(file, kind.options.get("sep", ","), rows)
            for _ in file:
                pass
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as UTF-8"
    except (OSError, EOFError, lzma.LZMAError) as error:
        return f"cannot be read ({error})"
    return None


def _json_fault(file: IO[str]) -> str | None:
    number = 0
    for number, line in enumerate(file, 1):
        if number == 1 and line.lstrip().startswith("["):
            return _array_fault(line + file.read())
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            place = f"{error.msg} at character {error.colno}"
            return f"line {number} is not JSON ({place}); write one JSON object a line, or one array"
        if not isinstance(row, dict):
            return f"line {number} is not a JSON object"
    return "holds no rows" if number == 0 else None


def _array_fault(content: str) -> str | None:
    try:
        rows = json.loads(content)
    except json.JSONDecodeError as error:
        return f"line {error.lineno} is not JSON ({error.msg})"
    wrong = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    return f"item {wrong} of the array is not a JSON object" if wrong is not None else None


def _ragged_row(file: Iterable[str], separator: str, count: int | None) -> str | None:
    # The field limit is there against broken quoting; a document may be long.
    previous = csv.field_size_limit(2**31 - 1)
    try:
        rows = csv.reader(file, delimiter=separator)
        header = next(rows, [])
        for row in islice(rows, count):
            if row and len(row) != len(header):
                return f"line {rows.line_num} has {len(row)} fields, the header has {len(header)}"
    except csv.Error as error:
        return f"line {rows.line_num} is not CSV ({error})"
    finally:
        csv.field_size_limit(previous)
    return None
