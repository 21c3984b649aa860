"""Rows in the output of a notebook's cell: one piece of output that is replaced in place."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import cache
from html import escape
from threading import RLock

from mlm_core.progress import layout
from mlm_core.progress.rows import Losses, Row, Rows
from mlm_core.system.notebook import Output, cell

_INTERVAL = 0.25
"""Seconds between two updates: each one is a message to the browser."""

_HEAD = ("Step", "Training loss", "Held-out loss", "Perplexity")


class NotebookRows(Rows):
    """Rows below the cell, training with a bar and a table of its losses."""

    has_table = True

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._output = Output()
        self._cell: object = None
        self._last = 0.0
        self._lock = RLock()

    def add(self, row: Row) -> None:
        """See `Rows.add`."""
        with self._lock:
            # What was said before a run is above it.
            if cell() != self._cell or (row.paced and not self._rows):
                self._cell, self._output = cell(), Output()
            self._rows.append(row)
            self._draw()

    def changed(self, row: Row) -> None:
        """See `Rows.changed`."""
        with self._lock:
            if time.perf_counter() - self._last >= _INTERVAL:
                self._draw()

    def remove(self, row: Row, *, keep: bool = False) -> None:
        """See `Rows.remove`."""
        with self._lock:
            kept = [other for other in self._rows if other is not row]
            if keep:
                self._rows = [row]
                self._draw(ended=True)
                # What comes is below it.
                self._output = Output()
            self._rows = kept
            if kept or not keep:
                self._draw()

    def clear(self) -> None:
        """See `Rows.clear`."""
        for row in list(self._rows):
            self.remove(row)

    def say(self, text: str) -> None:
        """See `Rows.say`: on stdout, as notebooks show stderr like an error."""
        print(text, file=sys.stdout, flush=True)

    def _draw(self, *, ended: bool = False) -> None:
        self._last = time.perf_counter()
        # A display that fails never ends a run.
        with suppress(Exception):
            self._output.show(
                "".join(_html(row, ended=ended) for row in self._rows), "\n".join(map(_text, self._rows))
            )


def _html(row: Row, *, ended: bool) -> str:
    facts = [row.description, layout.count(row).strip(), layout.loss(row), layout.speed(row)]
    facts.append("" if ended else layout.left(row))
    said = escape(" \N{MIDDLE DOT} ".join(filter(None, facts)))
    if not row.total:
        return f"<div>{said} ...</div>"
    bar = f"<progress value='{row.done}' max='{row.total}' style='width: 20em'></progress>"
    return f"<div>{bar} {said}</div>{_table(row.losses)}"


def _table(losses: list[Losses]) -> str:
    if not losses:
        return ""
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(row))}</tr>" for row in losses)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(row: Row) -> str:
    facts = [row.description, layout.count(row).strip(), layout.loss(row)]
    lines = ["  ".join(filter(None, facts))]
    if row.losses:
        lines += ["\t".join(cells) for cells in (_HEAD, *map(_cells, row.losses))]
    return "\n".join(lines)


def _cells(losses: Losses) -> tuple[str, ...]:
    training = "" if losses.training is None else f"{losses.training:.4f}"
    return (f"{losses.step:,}", training, *map(_shown, (losses.held_out, losses.perplexity)))


def _shown(number: float | None) -> str:
    return "not finite" if number is None else f"{number:.4f}"


@cache
def notebook_rows() -> NotebookRows:
    """The rows of this process."""
    return NotebookRows()
