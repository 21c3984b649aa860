"""Only one process at a time trains in a directory."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from mlm_core.errors import RequestError


class RunLock:
    """Keeps other processes out of a directory while it is held.

    The system releases the lock when its process ends, by any signal too. The lock is on the directory
    itself (filelock's `lock_descriptor`), so it leaves no file in or beside the directory, and it follows
    the directory when it is renamed. Files are written by path: `is_in_place` tells whether both still agree.

    Attributes:
        held: whether this process holds the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        """Whether `take` succeeded and `release` was not called since."""
        return self._handle is not None

    def is_in_place(self) -> bool:
        """Whether the locked directory is still the one at its path: not moved, removed or replaced."""
        if self._handle is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._handle), self._directory.stat())
        except OSError:
            return False

    def create(self, name: str) -> None:
        """Create an empty file in the locked directory itself, wherever its path leads now.

        Raises:
            FileExistsError: the file exists.
            FileNotFoundError: the directory was removed.
        """
        assert self._handle is not None
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
        os.close(os.open(name, flags, 0o666, dir_fd=self._handle))

    def moved_to(self, directory: Path) -> None:
        """The locked directory was renamed by this process."""
        self._directory = directory

    def take(self) -> None:
        """Take the lock; without effect on a file system that has no locks.

        Raises:
            RequestError: another process holds it.
            OSError: the directory cannot be opened.
        """
        # Late: importing filelock takes 29 ms.
        from filelock import lock_descriptor

        if self._handle is not None:
            return
        self._handle = os.open(self._directory, os.O_RDONLY)
        try:
            taken = lock_descriptor(self._handle, blocking=False)
        except OSError:
            # Not every file system has locks. On one without, users keep their runs apart themselves.
            return
        if not taken:
            self.release()
            raise RequestError(
                "another process is training in it",
                code="run_in_use",
                option="--output-dir",
                value=str(self._directory),
                fix="wait until it has finished, or choose another directory",
            )

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class NoLock(RunLock):
    """Stands for the lock in a rank that writes nothing; the first rank holds the real one."""

    def take(self) -> None:
        """Nothing to take."""

    def is_in_place(self) -> bool:
        """The first rank looks after it."""
        return True
