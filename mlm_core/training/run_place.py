"""The place of a run: a free name, and a run that is moved aside for another."""

from __future__ import annotations

import errno
import re
import shutil
from contextlib import suppress
from glob import escape
from pathlib import Path
from uuid import uuid4

from mlm_core.errors import RequestError
from mlm_core.system.files import sync_directory
from mlm_core.training.run_lock import RunLock
from mlm_core.training.run_record import RECORD

_NEW = re.compile("[0-9a-f]{32}")
"""The end of the name of a new directory, before it is in its place."""


def make_free(wanted: Path) -> Path:
    """Make the first of NAME, NAME-2, NAME-3 ... that does not exist."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    candidate, number = wanted, 1
    while True:
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            number += 1
            candidate = wanted.with_name(f"{wanted.name}-{number}")


def replace_run(path: Path) -> tuple[RunLock, Path, Path]:
    """Move a run aside and put a new, locked directory in its place; the run's lock is held.

    Raises:
        FileExistsError: another process has claimed the place in between; the run is aside.
        OSError: the directory cannot be moved.
    """
    new, aside = path.with_name(f".{path.name}.{uuid4().hex}"), None
    new.mkdir()
    lock = RunLock(new)
    lock.take()
    try:
        lock.create(RECORD)
        aside = _put_aside(path)
        # Replaces an empty directory, if another process has just made one; fails if there is a file in it.
        new.replace(path)
    except OSError as error:
        lock.release()
        shutil.rmtree(new, ignore_errors=True)
        if aside is not None and not path.exists():
            aside.rename(path)
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(errno.EEXIST, str(error)) from None
        raise
    lock.moved_to(path)
    sync_directory(path.absolute().parent)
    return lock, path, aside


def remove_abandoned(path: Path) -> None:
    """Remove the new directories of processes that were killed while they replaced the run at a path.

    Nothing but an empty record is in them, and nobody holds their lock.
    """
    parent = path.absolute().parent
    for left in parent.glob(f".{escape(path.name)}.*"):
        if not _NEW.fullmatch(left.name.removeprefix(f".{path.name}.")) or left.is_symlink():
            continue
        with suppress(OSError, RequestError), RunLock(left):
            content = list(left.iterdir())
            if all(item.name == RECORD and item.lstat().st_size == 0 for item in content):
                for item in content:
                    item.unlink()
                left.rmdir()


def _put_aside(path: Path) -> Path:
    aside = make_free(path.with_name(f"{path.name}.replaced"))
    # Replaces the empty directory just made.
    path.replace(aside)
    return aside
