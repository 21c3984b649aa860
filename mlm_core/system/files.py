"""Files: digests, and writing that leaves the old file or the new one, never half of it."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def digest_of(path: Path) -> str:
    """blake2b (16 bytes, hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    Raises:
        OSError: it cannot be written; a file of that name is as it was.
    """
    temporary = path.with_name(partial_name(path.name))
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def partial_name(name: str) -> str:
    """What a file is called while it is being written."""
    return f".{name}.partial"
