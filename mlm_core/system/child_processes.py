"""Python processes that this one starts: they run no file of the current directory, and end with this one."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
from pathlib import Path

_PARENT = "MLM_PARENT"
"""The variable that tells a child its parent's number."""

_PATIENCE = 1.0
"""Seconds after which a child notices that its parent has ended."""


def python_command(*words: str) -> list[str]:
    """The command of a Python process, for example `python_command("-m", "mlm_core.parity.worker", path)`."""
    # -P: a module of the user's in the current directory must not replace one of a library.
    return [sys.executable, "-P", *words]


def child_environment(**more: str) -> dict[str, str]:
    """The environment of a Python process that imports this package."""
    found = os.environ | {_PARENT: str(os.getpid())} | more
    root = str(Path(__file__).parents[2])
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        # A checkout that is used where it lies; -P hides the current directory.
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (found.get("PYTHONPATH"), root)))
    return found


def end_with_parent() -> None:
    """End this process soon after its parent has ended, even if that was killed."""
    if parent_runs():
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def parent_runs() -> bool:
    """Whether this is a process from `child_environment`, and the one that started it still runs."""
    return os.environ.get(_PARENT) == str(os.getppid())


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PATIENCE)
    os._exit(1)
