"""Files: digests, and writes that leave either the old file or the whole new one."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

_PARTIAL = re.compile(r"\.(.+?)(?:\.[0-9a-f]{8})?\.partial")
"""Earlier versions wrote names without a number."""


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; a pipe or a device, which may never end, is refused.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    # Without O_NONBLOCK, opening a named pipe waits for a writer.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(None, "not a regular file", str(path))
    return os.fdopen(handle, "rb")


def digest_of(path: Path) -> str:
    """blake2b digest of a regular file (16 bytes, as hex)."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write; at the end it appears at its path, whole, even through a power cut. Else it is gone.

    Raises:
        OSError: the file cannot be written; an earlier file of that name is unchanged.
    """
    # A new name: another process may write the same file. And never a file or a link that is there already.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or none of it; see `atomic_file`.

    Raises:
        OSError: the file cannot be written; an earlier file of that name is unchanged.
    """
    with atomic_file(path) as file:
        file.write(content)


def sync_directory(directory: Path) -> None:
    """Make the entries of a directory survive a power failure."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems cannot do so for a directory.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def make_durable(directory: Path, names: Iterable[str]) -> None:
    """Make files of a directory, and their entries in it, survive a power failure."""
    for name in names:
        with (directory / name).open("rb") as file:
            os.fsync(file.fileno())
    sync_directory(directory)


def is_partial(name: str, of: str | None = None) -> bool:
    """Whether this is the name of a file that was being written, of the file called `of` or of any."""
    found = _PARTIAL.fullmatch(name)
    return found is not None and of in (None, found[1])
