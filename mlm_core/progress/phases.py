"""What a process is doing where no count tells it: one row with the innermost operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock, Timer

from mlm_core.progress import watched
from mlm_core.progress.rows import Row, Rows

INTERVAL = 10.0
"""Seconds after which a slow operation is said where nobody watches."""


class Phases:
    """The operations that run in this process, one inside another; the innermost is shown."""

    def __init__(self) -> None:
        # Of an entry only its identity counts: two threads may open and close theirs in any order.
        self._open: list[Row] = []
        self._row: Row | None = None
        self._timer: Timer | None = None
        self._lock = RLock()

    @contextmanager
    def shown(self, description: str, place: Rows, *, at_once: bool) -> Iterator[None]:
        """While inside, show the operation, once the outermost one has taken a while."""
        entry = Row(description)
        try:
            # Ctrl-C may come here already.
            with self._lock:
                self._open.append(entry)
                self._changed(place, at_once=at_once)
            yield
        finally:
            with self._lock:
                self._open = [other for other in self._open if other is not entry]
                self._changed(place, at_once=False)

    def _changed(self, place: Rows, *, at_once: bool) -> None:
        if not self._open:
            self._end(place)
        elif self._row is not None:
            self._row.description = self._open[-1].description
            place.changed(self._row)
        elif at_once:
            self._show(place)
        elif self._timer is None:
            self._timer = watched.later(watched.PATIENCE, lambda: self._show(place))

    def _show(self, place: Rows) -> None:
        with self._lock:
            if self._open and self._row is None:
                self._row = Row(self._open[-1].description)
                place.add(self._row)

    def _end(self, place: Rows) -> None:
        if self._timer is not None:
            self._timer.cancel()
        row, self._timer, self._row = self._row, None, None
        if row is not None:
            place.remove(row)


@contextmanager
def said(description: str, say: Callable[[str], None]) -> Iterator[None]:
    """While inside, say a line once the operation has taken long, for a log."""
    timer = watched.later(INTERVAL, lambda: say(f"{description} ..."))
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
            timer.join()


@cache
def phases() -> Phases:
    """Those of this process."""
    return Phases()
