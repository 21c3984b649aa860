"""Where prepared text is kept between runs."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from mlm_core.errors import RunError
from mlm_core.system.os_errors import advice, reason


def cache_directory() -> Path:
    """`$MLM_CACHE`; if unset, `mlm` in the user's cache directory; if not writable, in the temporary one.

    Raises:
        RunError: the one in the temporary directory belongs to another user, or others may write into it.
    """
    chosen = os.environ.get("MLM_CACHE")
    if chosen:
        return Path(chosen)
    try:
        directory = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "mlm"
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
    except (OSError, RuntimeError):
        # No home directory, or one that is not there.
        pass
    return _temporary()


def _temporary() -> Path:
    """A directory of this user alone in the temporary directory, where anybody may have made one before."""
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    directory = Path(tempfile.gettempdir()) / f"mlm-cache-{user}"
    try:
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
    except OSError as error:
        raise unwritable_cache(error, directory) from None
    mine = found.st_uid == user if isinstance(user, int) else True
    if not stat.S_ISDIR(found.st_mode) or not mine or found.st_mode & 0o022:
        raise RunError(
            "the cache in the temporary directory is not this user's alone, so it is not used",
            code="foreign_cache",
            value=str(directory),
            fix="set MLM_CACHE to a directory of yours",
        )
    return directory


def unwritable_cache(error: OSError, place: Path | None = None) -> RunError:
    """The error for prepared text that cannot be written; `place` is the cache, by default the present."""
    return RunError(
        f"the prepared text cannot be written ({reason(error)})",
        code="cache_unwritable",
        option="MLM_CACHE",
        value=str(place or cache_directory()),
        fix=f"{advice(error) or 'make room'}, or set MLM_CACHE to another directory",
    )
