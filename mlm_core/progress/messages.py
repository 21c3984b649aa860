"""Lines for people on stderr."""

from __future__ import annotations

import sys
from contextlib import suppress

from mlm_core.progress import watched
from mlm_core.system.terminal import fitted
from mlm_core.visible import visible


def show_last(text: str) -> None:
    """Show the line with which a command ends: what it was doing is shown no more."""
    place = watched.rows()
    if place is not None:
        place.clear()
    show(text)


def show(text: str) -> None:
    """Show a line; if that fails, it is not shown: progress that nobody sees never ends a run.

    On a terminal it is above the rows, and wrapped between words.
    """
    shown, place = visible(text, lines=True), watched.rows()
    with suppress(OSError, ValueError):
        if place is not None:
            place.say(shown)
        else:
            print(fitted(shown, sys.stderr), file=sys.stderr, flush=True)
