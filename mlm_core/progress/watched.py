"""Where somebody watches: the rows of this process, and when they come."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Timer

from mlm_core.progress.rows import Rows
from mlm_core.system.notebook import in_notebook
from mlm_core.system.terminal import columns

PATIENCE = 1.0
"""Seconds after which a slow operation is shown where somebody watches."""


def rows() -> Rows | None:
    """The rows of this process; None: nobody watches, for example because stderr is a file."""
    # A dumb terminal can draw nothing again.
    if columns(sys.stderr) is not None and os.environ.get("TERM") != "dumb":
        from mlm_core.progress.terminal import terminal_rows

        return terminal_rows()
    if in_notebook():
        from mlm_core.progress.notebook import notebook_rows

        return notebook_rows()
    return None


def later(seconds: float, action: Callable[[], None]) -> Timer | None:
    """Call a function in some seconds, in another thread; None: the system gives no thread."""
    timer = Timer(seconds, action)
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:
        return None
    return timer
