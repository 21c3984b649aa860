"""Temporary directories, which a later process removes if the one that made them was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_directory(purpose: str, say: Callable[[str], None]) -> Iterator[Path]:
    """A temporary directory that is removed at the end.

    Args:
        purpose: a word in its name.
        say: is told which directories of killed processes were removed.
    """
    for left in left_behind(purpose):
        shutil.rmtree(left, ignore_errors=True)
        say(f"removed {left}, which a process that was killed had left behind")
    with tempfile.TemporaryDirectory(
        prefix=f"mlm-{purpose}-{os.getpid()}-", ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


def left_behind(purpose: str) -> list[Path]:
    """This user's directories for a purpose whose processes have ended."""
    found, wanted = [], re.compile(rf"mlm-{purpose}-(\d+)-\w+")
    for path in Path(tempfile.gettempdir()).glob(f"mlm-{purpose}-*"):
        made = wanted.fullmatch(path.name)
        with suppress(OSError):
            mine = path.lstat().st_uid == os.geteuid() and path.is_dir() and not path.is_symlink()
            if made is not None and mine and not _runs(int(made[1])):
                found.append(path)
    return sorted(found)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
