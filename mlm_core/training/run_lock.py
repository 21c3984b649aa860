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
    the directory when it is renamed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock; without effect on a file system that has no locks.

        Raises:
            RequestError: another process holds it.
            OSError: the directory cannot be opened.
        """
        # Late: importing filelock takes 29 ms.
        from filelock import lock_descriptor

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
