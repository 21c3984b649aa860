"""One process at a time trains in a directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from mlm_core.errors import RequestError


class RunLock:
    """Keeps other processes out of a directory while it is taken; a process that ends in any way releases it.

    No file is left behind: the directory itself is locked.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    def take(self) -> None:
        """Take it.

        Raises:
            RequestError: another process has it.
        """
        self._handle = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise RequestError(
                "another process is training in it",
                code="run_in_use",
                option="--output-dir",
                value=str(self._directory),
                fix="wait for it, or choose another",
            ) from None
        except OSError:
            # Not every file system knows locks; there it is left to the user.
            pass

    def release(self) -> None:
        """Give it back, if it was taken."""
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
