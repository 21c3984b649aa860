"""A directory of the cache vouches for its files: one that has changed since is not believed."""

from __future__ import annotations

import json
from pathlib import Path

from mlm_core.system.files import digest_of, is_partial, write_atomically
from mlm_core.system.json_files import BadJsonError, checked, read_json

_SEAL = "sealed.json"


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
