"""Files: digests, and writes that leave either the old file or the whole new one."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def digest_of(path: Path) -> str:
    """blake2b digest of a file (16 bytes, as hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or none of it, even through a power cut.

    Raises:
        OSError: the file cannot be written; an earlier file of that name is unchanged.
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
    """The temporary name of a file while it is being written."""
    return f".{name}.partial"
