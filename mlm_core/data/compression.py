"""Opening a file of text whether it is compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, Any

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSIONS = tuple(_OPENERS)
"""The endings of compressed files."""

UNREADABLE = (OSError, EOFError, lzma.LZMAError)
"""What a damaged compressed file raises."""


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, as they were before they were compressed."""
    opener = _OPENERS.get(path.suffix.lower(), open)
    file: IO[bytes] = opener(path, "rb")
    return file


def open_text(path: Path) -> IO[str]:
    """A file of UTF-8 text, line ends as they are; a byte order mark is left out."""
    opener = _OPENERS.get(path.suffix.lower(), open)
    file: IO[str] = opener(path, "rt", encoding="utf-8-sig", newline="")
    return file
