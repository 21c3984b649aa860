"""What a rank tells the launcher that started it and watches it: the run's directory, how its work ended."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from mlm_core.errors import MlmError
from mlm_core.system.child_processes import end_with_parent, parent_runs

NOTES = "MLM_NOTES"
"""The variable with the directory of the notes; `mlm train --nproc` sets it."""

_RUN = "run"


@dataclass(frozen=True)
class Notes:
    """Notes of the ranks to their launcher, files in a directory.

    What cannot be written is not told: the launcher then knows a rank's exit code only.
    """

    directory: Path

    def write_run(self, run: Path) -> None:
        """The run's record is written, so the run can be resumed."""
        with suppress(OSError):
            (self.directory / _RUN).write_text(str(run), encoding="utf-8")

    def run(self) -> Path | None:
        """The directory of the run, once its record is written."""
        try:
            return Path((self.directory / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write_done(self, rank: int) -> None:
        """A rank has done its work; a framework may still fail while its process ends."""
        with suppress(OSError):
            (self.directory / f"done-{rank}").touch()

    def done(self, rank: int) -> bool:
        """Whether a rank has done its work."""
        return (self.directory / f"done-{rank}").exists()

    def write_error(self, rank: int, error: MlmError) -> bool:
        """A rank ends with an error; returns whether the note is written."""
        try:
            more = {"exit_code": error.exit_code, "said_by": error.said_by}
            self._error(rank).write_text(json.dumps(error.as_dict() | more))
            return True
        except OSError:
            return False

    def error(self, rank: int) -> dict[str, Any] | None:
        """The error that a rank ended with: `MlmError.as_dict`, its `exit_code` and `said_by`."""
        try:
            found = json.loads(self._error(rank).read_text())
        except (OSError, ValueError):
            # It may have been killed while it wrote.
            return None
        return found if isinstance(found, dict) else None

    def _error(self, rank: int) -> Path:
        return self.directory / f"error-{rank}.json"


def notes() -> Notes | None:
    """The notes to this process's launcher; None: none watches it."""
    directory = os.environ.get(NOTES)
    return Notes(Path(directory)) if directory and parent_runs() else None


def begin_watched() -> None:
    """In a process that a launcher watches: end with it, and let an interrupt come only from now on.

    The launcher started the process with SIGINT blocked: while Python starts, it would end in a traceback.
    """
    if notes() is None or threading.current_thread() is not threading.main_thread():
        return
    end_with_parent()
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    # The terminal sends SIGINT to all, and the launcher passes it on: the second one must not break the end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
