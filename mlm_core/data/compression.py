"""Opening a file, compressed or not, as bytes or as text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import IO, Any

from mlm_core.errors import first_line


def _open_zstd(path: Path, mode: str) -> IO[bytes]:
    # Late: importing pyarrow takes 40 ms. From Python 3.14 on, the standard library reads it, too.
    import pyarrow

    return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))


_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _open_zstd}
COMPRESSIONS = tuple(_OPENERS)
"""The suffixes of compressed files."""

UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""The exceptions that reading a damaged compressed file raises."""


def is_compressed(path: Path) -> bool:
    """Whether a file's suffix says that it is compressed."""
    return path.suffix.lower() in _OPENERS


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, decompressed if its suffix asks for it.

    Raises:
        OSError: the file cannot be opened.
    """
    opener = _OPENERS.get(path.suffix.lower(), open)
    file: IO[bytes] = opener(path, "rb")
    return file


def open_text(path: Path, *, newline: str = "\n") -> IO[str]:
    """Open a file for reading UTF-8 text; line ends are kept, a byte order mark is skipped.

    Args:
        path: the file.
        newline: what ends a line, see `io.TextIOWrapper`; by default a line feed alone.

    Raises:
        OSError: the file cannot be opened.
    """
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline=newline)


def unreadable_reason(error: BaseException) -> str:
    """One of `UNREADABLE` in words."""
    return f"cannot be read ({getattr(error, 'strerror', None) or first_line(error)})"
