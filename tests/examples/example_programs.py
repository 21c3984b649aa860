"""The programs in examples/, started two at a time; each test waits for the one it is about."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TINY = ("--block-size", "16", "--batch-size", "8", "--threads", "1")

SLOWER = """
import time
_done = TrainingLoop.step_done

def _slower(self, *arguments, **options):
    time.sleep(0.15)
    return _done(self, *arguments, **options)

TrainingLoop.step_done = _slower
"""
"""Appended to a module by the second commit."""


@dataclass(frozen=True)
class Outcome:
    """A finished program."""

    code: int
    printed: str
    said: str


class Programs:
    """The programs by name; `outcome` waits for one."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._running: dict[str, Future[Outcome]] = {}

    def start(self, name: str, *words: object, **environment: str) -> None:
        self._running[name] = self._pool.submit(_finished, list(map(str, words)), os.environ | environment)

    def outcome(self, name: str) -> Outcome:
        return self._running[name].result()


def _finished(words: list[str], environment: dict[str, str]) -> Outcome:
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def repository(directory: Path) -> Path:
    """A git repository of this code with two commits, of which the second trains slower."""
    ignored = shutil.ignore_patterns("__pycache__", "starter")
    for package in ("mlm_core", "mlm_torch", "mlm_tf"):
        shutil.copytree(ROOT / package, directory / package, ignore=ignored)
    (directory / "examples").mkdir()
    shutil.copy(EXAMPLES / "two_commits.py", directory / "examples")

    def git(*words: str) -> None:
        named = ("-c", "user.name=Someone", "-c", "user.email=someone@example.com")
        subprocess.run(["git", "-C", directory, *named, *words], check=True, capture_output=True)

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "First")
    git("tag", "before")
    with (directory / "mlm_core" / "training" / "loop.py").open("a", encoding="utf-8") as file:
        file.write(SLOWER)
    git("commit", "--quiet", "--all", "--message", "Slower")
    git("tag", "after")
    return directory
