"""A notebook: whether this process computes one, and output that is replaced in place."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return _shell() is not None


def cell() -> object:
    """What identifies the cell that is being computed."""
    return getattr(_shell(), "execution_count", None)


class Output:
    """A piece of a cell's output; it appears with the first `show`."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str, text: str) -> None:
        """Show HTML in place of what was shown before.

        Args:
            html: the content; every text in it is escaped.
            text: the same, for a reader without HTML.
        """
        # In a notebook it is loaded already.
        display: Any = import_module("IPython.display")

        content = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display.display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _shell() -> Any:
    """IPython's shell of a kernel; None: there is none."""
    # Without IPython in the process, nothing is imported.
    found = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = found() if found is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None
