"""Rows at the bottom of a terminal, which are drawn again ten times a second."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import cache
from threading import RLock
from typing import Any

from mlm_core.progress.layout import parts
from mlm_core.progress.rows import Row, Rows
from mlm_core.system.terminal import columns, wrapped

_PER_SECOND = 10
_MARKS, _PLAIN_MARKS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/"


class TerminalRows(Rows):
    """Rows at the bottom of the terminal on stderr."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._lock = RLock()
        self._console: Any = None
        self._plain = False
        self._live: Any = None

    def add(self, row: Row) -> None:
        """See `Rows.add`; it is drawn before this function returns."""
        with self._lock:
            self._rows.append(row)
            # A terminal that cannot be written to never ends a run.
            with suppress(OSError, ValueError, RuntimeError):
                if self._live is None:
                    self._start()
                else:
                    self._live.refresh()

    def changed(self, row: Row) -> None:
        """See `Rows.changed`: it is drawn soon."""

    def remove(self, row: Row, *, keep: bool = False) -> None:
        """See `Rows.remove`."""
        with self._lock:
            if row not in self._rows:
                return
            self._rows = [other for other in self._rows if other is not row]
            with suppress(OSError, ValueError, RuntimeError):
                if keep:
                    self._print(self._line(row, ""))
                if self._rows:
                    self._live.refresh()
                else:
                    live, self._live = self._live, None
                    live.stop()

    def clear(self) -> None:
        """See `Rows.clear`."""
        for row in list(self._rows):
            self.remove(row)

    def say(self, text: str) -> None:
        """See `Rows.say`."""
        with self._lock:
            if self._live is None:
                print("\n".join(wrapped(line, self._width()) for line in text.split("\n")), file=sys.stderr)
                sys.stderr.flush()
                return
            for line in text.split("\n"):
                self._print(wrapped(line, self._width()))

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # While rows are shown, another stream is in the place of stderr, which does not tell.
        self._plain = not (getattr(sys.stderr, "encoding", None) or "").lower().startswith("utf")
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        # Hidden, the cursor would stay hidden in the terminal of a process that is killed.
        self._console.show_cursor = lambda show=True: False
        live = Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            # What goes to a file must not come to the terminal.
            redirect_stdout=columns(sys.stdout) is not None,
        )
        self._live = live
        # If the system gives no thread to draw it again, it is drawn when rows come and go.
        live.start(refresh=True)

    def _print(self, text: Any) -> None:
        # The terminal itself breaks a command that is too long: it can be copied as one line.
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def _drawn(self) -> Any:
        from rich.console import Group

        return Group(*(self._line(row, self._mark()) for row in self._rows))

    def _line(self, row: Row, mark: str) -> Any:
        from rich.text import Text

        found = parts(row, self._width(), mark, plain=self._plain)
        return Text.assemble(*found, no_wrap=True, overflow="crop")

    def _mark(self) -> str:
        marks = _PLAIN_MARKS if self._plain else _MARKS
        return marks[int(time.monotonic() * _PER_SECOND) % len(marks)]

    def _width(self) -> int:
        return columns(sys.stderr) or 80


@cache
def terminal_rows() -> TerminalRows:
    """The rows of this process."""
    return TerminalRows()
