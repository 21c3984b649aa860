"""A directory of the cache vouches for its files: one that has changed since is not believed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlm_core.system.files import digest_of, is_partial, write_atomically
from mlm_core.system.json_files import BadJsonError, checked, read_json

_SEAL = "sealed.json"


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """While inside, other processes that would fill or read the directory wait.

    Raises:
        OSError: the directory cannot be opened.
    """
    # Late: importing filelock takes 29 ms.
    from filelock import lock_descriptor

    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            # Not every file system has locks.
            lock_descriptor(handle)
        yield
    finally:
        os.close(handle)


def empty(directory: Path) -> None:
    """Remove everything in a directory that can be removed."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def seal(directory: Path) -> None:
    """Record the digests of a directory's files, if they are not recorded yet.

    Raises:
        OSError: the record cannot be written.
    """
    if not is_sealed(directory):
        write_atomically(directory / _SEAL, json.dumps(_digests(directory)).encode())


def is_sealed(directory: Path) -> bool:
    """Whether the files of a directory are those whose digests were recorded."""
    try:
        return checked(read_json(directory / _SEAL), dict[str, str]) == _digests(directory)
    except (OSError, BadJsonError):
        return False


def _digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): digest_of(path)
        for path in sorted(directory.rglob("*"))
        # Locks and files that are being written change with every reader.
        if path.is_file() and path.name != _SEAL and path.suffix != ".lock" and not is_partial(path.name)
    }
