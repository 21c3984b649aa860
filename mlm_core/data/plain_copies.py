"""Copies, in the cache, of files that the `datasets` library would not read as they are meant.

It reads compressed text in the encoding of the locale, takes a carriage return inside of a line for its end,
refuses a compressed Parquet file, and does not know a JSON value over several lines.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mlm_core.data.compression import is_compressed, open_bytes, open_text
from mlm_core.data.file_kinds import FileKind, suffix_of
from mlm_core.data.json_lines import array_lines, is_one_value
from mlm_core.system.files import atomic_file

_CHUNK = 2**20
_MARK = b"\xef\xbb\xbf"


def plain_file(path: Path, kind: FileKind, cache: Path) -> Path:
    """The file itself, if it can be read as it is, else its copy in the cache; the copy is made once.

    Args:
        path: the file.
        kind: its kind.
        cache: the directory for copies of the file in its present state.

    Raises:
        OSError, EOFError, ValueError and others of a compression: the file cannot be read; see `UNREADABLE`.
        UnicodeDecodeError: it is JSON, and not UTF-8.
    """
    name = hashlib.blake2b(str(path.absolute()).encode(), digest_size=8).hexdigest()
    copy = cache / f"{name}{'.jsonl' if kind.builder == 'json' else suffix_of(path)}"
    if copy.exists():
        return copy
    if kind.builder == "json" and _copy_items(path, copy):
        return copy
    lines = kind.builder in ("text", "json")
    if not is_compressed(path) and not (lines and _has_inner_returns(path)):
        return path
    with open_bytes(path) as source, atomic_file(copy) as target:
        if lines:
            target.writelines(_with_line_feeds(source))
        else:
            shutil.copyfileobj(source, target, _CHUNK)
    return copy


def _copy_items(path: Path, copy: Path) -> bool:
    """Copy the rows of a JSON value as lines; returns whether the file holds one value."""
    with open_text(path) as file:
        if not is_one_value(file):
            return False
    # Opened again: not every compressed file can go back to its start.
    with open_text(path) as file:
        lines = array_lines(file.read())
    with atomic_file(copy) as target:
        target.writelines(f"{line}\n".encode() for line in lines)
    return True


def _has_inner_returns(path: Path) -> bool:
    """Whether a file has both line feeds and carriage returns that are before no line feed."""
    inner = feeds = False
    with path.open("rb") as file:
        last = b""
        while chunk := file.read(_CHUNK):
            feeds = feeds or b"\n" in chunk
            # The last byte is looked at together with the next chunk.
            chunk = last + chunk
            inner = inner or b"\r" in chunk[:-1].replace(b"\r\n", b"")
            last = b"\r" if chunk.endswith(b"\r") else b""
            if inner and feeds:
                return True
    return False


def _with_line_feeds(source: IO[bytes]) -> Iterator[bytes]:
    """Chunks of text, in which line feeds alone end a line; other carriage returns become spaces.

    Without any line feed, as on a Mac of long ago, carriage returns end the lines.
    """
    held, feeds, first = b"", False, True
    while chunk := source.read(_CHUNK):
        if first:
            chunk, first = chunk.removeprefix(_MARK), False
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        chunk = chunk[: len(chunk) - len(held)].replace(b"\r\n", b"\n")
        feeds = feeds or b"\n" in chunk
        yield chunk.replace(b"\r", b" " if feeds else b"\n")
    yield held.replace(b"\r", b"\n")
