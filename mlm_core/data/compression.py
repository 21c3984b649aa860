"""Opening a file, compressed or not, as bytes or as text."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, Any

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSIONS = tuple(_OPENERS)
"""The suffixes of compressed files."""

UNREADABLE = (OSError, EOFError, lzma.LZMAError)
"""The exceptions that reading a damaged compressed file raises."""


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, decompressed if its suffix asks for it.

    Raises:
        OSError: the file cannot be opened.
    """
    opener = _OPENERS.get(path.suffix.lower(), open)
    file: IO[bytes] = opener(path, "rb")
    return file


def open_text(path: Path) -> IO[str]:
    """Open a file for reading UTF-8 text; line ends are kept, a byte order mark is skipped.

    Raises:
        OSError: the file cannot be opened.
    """
    opener = _OPENERS.get(path.suffix.lower(), open)
    file: IO[str] = opener(path, "rt", encoding="utf-8-sig", newline="")
    return file
