"""An operation of a known number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import RLock

from mlm_core.progress import phases, watched
from mlm_core.progress.rows import Row


class Counter:
    """Shows how many steps of an operation are done: a row, or lines at intervals where nobody watches.

    Args:
        description: what is done.
        total: its number of steps.
        say: shows a line; None: show nothing.

    Attributes:
        done: steps so far.
    """

    def __init__(self, description: str, total: int, say: Callable[[str], None] | None) -> None:
        self._row = Row(description, total)
        self._say = say
        self._place = watched.rows() if say is not None else None
        self._next = time.perf_counter() + phases.INTERVAL
        self._lock = RLock()
        self._is_open, self._is_shown = True, False
        self._timer = watched.later(watched.PATIENCE, self._show) if self._place is not None else None

    @property
    def done(self) -> int:
        """Steps so far."""
        return self._row.done

    def begin(self) -> None:
        """Show it from now on, before the first step, which may take long."""
        self._show()

    def advance(self) -> None:
        """Count one more step."""
        self.reach(self._row.done + 1)

    def reach(self, done: int) -> None:
        """So many steps are done."""
        self._row.done = done
        if self._place is not None:
            if self._is_shown:
                self._place.changed(self._row)
        elif self._say is not None and time.perf_counter() >= self._next:
            self._say(f"{self._row.description}: {self.done:,}/{self._row.total:,}")
            self._next = time.perf_counter() + phases.INTERVAL

    def stop(self) -> None:
        """The operation has ended: show it no more."""
        with self._lock:
            self._is_open = False
            if self._timer is not None:
                self._timer.cancel()
            if self._is_shown and self._place is not None:
                self._place.remove(self._row)
                self._is_shown = False

    def _show(self) -> None:
        with self._lock:
            if self._is_open and not self._is_shown and self._place is not None:
                self._place.add(self._row)
                self._is_shown = True
