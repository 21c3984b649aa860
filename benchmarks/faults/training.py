"""A training in a process of its own, forked from one that has the framework loaded."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol


class Installed(Protocol):
    """A fault that is installed in the process of a training before it begins."""

    def install(self) -> None:
        """Install it."""


class TrainingProcess:
    """A command of `mlm` that runs in a forked process.

    Args:
        words: of the command.
        printed: the file that receives stdout and stderr.
        cache: its `MLM_CACHE`.
        fault: installed in it.

    Attributes:
        code: its exit code as the shell gives it; None while it runs.
        silenced: whether a limit on the size of files may keep it from printing.
    """

    def __init__(
        self, words: Sequence[str], printed: Path, cache: Path, fault: Installed | None = None
    ) -> None:
        self.printed = printed
        self.code: int | None = None
        self.silenced = getattr(fault, "kind", None) == resource.RLIMIT_FSIZE
        self._begun = time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run(words, printed, cache, fault)

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = _as_shell(os.waitstatus_to_exitcode(status))
        return self.code

    def wait(self, seconds: float = 120) -> int | None:
        """Wait for its end; a process that hangs is killed, and its code stays None."""
        limit = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > limit:
                self.send(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return None
            time.sleep(0.005)
        return self.code

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait_until(self, reached: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until something holds, or the process has ended."""
        limit = time.monotonic() + seconds
        while self.poll() is None and not reached() and time.monotonic() < limit:
            time.sleep(0.0005)

    def wait_until_age(self, seconds: float) -> None:
        """Wait until the process has run for so long, or has ended."""
        self.wait_until(lambda: time.monotonic() - self._begun >= seconds)

    def said(self) -> str:
        """What it has printed."""
        return self.printed.read_text(encoding="utf-8", errors="replace") if self.printed.exists() else ""


def _as_shell(code: int) -> int:
    return code if code >= 0 else 128 - code


def _run(words: Sequence[str], printed: Path, cache: Path, fault: Installed | None) -> None:
    """Run the command in this process, which was just forked, and end it."""
    code = 99
    try:
        output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.environ["MLM_CACHE"] = str(cache)
        from mlm_core.__main__ import main

        if fault is not None:
            fault.install()
        code = main(list(words))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        import traceback

        if (
            isinstance(error, KeyboardInterrupt)
            and error.__traceback__
            and error.__traceback__.tb_next is None
        ):
            # The signal came here, before the command began or after it had ended.
            code = 130
        else:
            traceback.print_exc()
    finally:
        # Streams that are full or closed are part of some faults.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 1
        os._exit(code)
