import io
import sys

import pytest

from mlm_core.progress import phases, watched
from mlm_core.progress.notebook import notebook_rows
from mlm_core.progress.terminal import terminal_rows


class Terminal(io.StringIO):
    """What is written to it is seen on a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(phases, "INTERVAL", 0.0)
    monkeypatch.setattr(watched, "PATIENCE", 0.0)


@pytest.fixture
def fresh():
    """Displays of this test alone."""
    caches = (phases.phases, terminal_rows, notebook_rows)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def terminal(monkeypatch, fresh):
    """A function that puts a terminal of 80 columns in place of stderr; pytest itself replaces it before."""

    def put():
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        return found

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    return put
