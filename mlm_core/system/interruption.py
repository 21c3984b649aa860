"""SIGINT, SIGTERM and SIGHUP: a run finishes and saves its current step, then ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

from mlm_core.errors import MlmError

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_TOGETHER = 1.0
"""Seconds within which another signal belongs to the first: service managers send several at once."""


def signal_name(number: int) -> str:
    """A signal as people know it: Ctrl-C, SIGTERM, signal 64."""
    if number == signal.SIGINT:
        return "Ctrl-C"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class InterruptedRunError(MlmError):
    """A signal ended a run; its state is saved. The exit code is the shell's code for the signal."""

    def __init__(self, number: int, step: int, fix: str) -> None:
        super().__init__(
            f"stopped by {signal_name(number)} after step {step}; the step is saved",
            code="interrupted",
            fix=fix,
        )
        self.exit_code = 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While inside, SIGTERM and SIGHUP raise SystemExit with the shell's code, SIGINT KeyboardInterrupt.

    SIGINT does so by default, but not if the process was started with SIGINT ignored, for example by `nohup`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {
        number: signal.signal(number, signal.default_int_handler if number == signal.SIGINT else leave)
        for number in _heard()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def waiting() -> Iterator[None]:
    """While inside, SIGINT ends the process at once, and silently, unless somebody handles it.

    For a call that waits for other processes: Python would raise KeyboardInterrupt only when it returns.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _heard() -> list[signal.Signals]:
    """The signals to act on: `nohup` asks a process to ignore SIGHUP."""
    hang_up = getattr(signal, "SIGHUP", None)
    return [number for number in _SIGNALS if number != hang_up or signal.getsignal(number) != signal.SIG_IGN]


class Interruption:
    """While inside, the first signal is only recorded; a second signal has its usual effect.

    Args:
        passed_on: whether a launcher passes signals on: what it sends with the first is no second signal.
        told: is told the first signal's name at once, in another thread: this one may just be printing.

    Attributes:
        received: the number of the first signal; None: no signal came.
    """

    def __init__(self, *, passed_on: bool = False, told: Callable[[str], None] | None = None) -> None:
        self.received: int | None = None
        self._passed_on = passed_on
        self._told = told
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread set handlers; in another thread the caller handles signals.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _heard()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._at = number, now
            if self._told is not None:
                # The system may give no thread.
                with suppress(RuntimeError):
                    threading.Thread(target=self._told, args=(signal_name(number),), daemon=True).start()
        elif (number == self.received and not self._passed_on) or now - self._at > _TOGETHER:
            self._second(number)

    def _second(self, number: int) -> None:
        self._restore()
        os.kill(os.getpid(), number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class PassedOn(Interruption):
    """While inside, signals are only recorded, for a launcher that passes the first one on.

    Attributes:
        impatient: whether a second signal came: all must end now.
    """

    def __init__(self) -> None:
        super().__init__(passed_on=True)
        self.impatient = False

    def _second(self, number: int) -> None:
        self.impatient = True
