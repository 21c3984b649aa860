"""Interleaved rounds: variants get ready side by side, and are measured one at a time, forth and back."""

from __future__ import annotations

import json
import os
import queue
import signal
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from settings import Deadline

ROUND_SECONDS = 0.6
MOST_STEPS, LEAST_STEPS = 20, 3
"""A round takes as many steps as this time has room for, within these bounds."""


class Worker:
    """A process that answers lines of JSON with lines of JSON.

    Args:
        name: of what it measures.
        command: starts it.
        log: what it prints to stderr.

    Attributes:
        facts: its first answer.
        rounds: seconds of a step, round by round.
        problem: why it gives no more answers; None: it does.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.facts: dict[str, Any] = {}
        self.rounds: list[float] = []
        self.peak_gb: float | None = None
        self.problem: str | None = None
        self._log = log
        self._ended = False
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                start_new_session=True,
            )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def get_ready(self, deadline: Deadline) -> None:
        """Wait for the first answer."""
        self.facts = self._answer(deadline) or {}

    def ask(self, question: Mapping[str, Any], deadline: Deadline) -> dict[str, Any] | None:
        """The answer; None: there is none, and `problem` says why."""
        if self.problem is not None:
            return None
        assert self._process.stdin is not None
        # Whether it is gone is found out by its answer.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        return self._answer(deadline)

    def measure(self, deadline: Deadline) -> None:
        """A round more."""
        wanted = round(ROUND_SECONDS / max(self.facts.get("seconds", 0.0), 1e-6))
        answer = self.ask({"steps": max(LEAST_STEPS, min(MOST_STEPS, wanted))}, deadline)
        if answer is not None:
            self.rounds.append(answer["seconds"])
            self.peak_gb = answer["peak_gb"]

    def end(self) -> None:
        """Kill it, and what it has started."""
        if not self._ended:
            self._ended = True
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answer(self, deadline: Deadline) -> dict[str, Any] | None:
        try:
            line = self._lines.get(timeout=deadline.left)
        except queue.Empty:
            self.problem = "cut: out of time"
            self.end()
            return None
        if line:
            return dict(json.loads(line))
        code = self._process.wait()
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        self.problem = f"exit code {code}: {said[-1][:300] if said else 'it said nothing'}"
        return None


@contextmanager
def workers(commands: Mapping[str, Sequence[str]], logs: Path) -> Iterator[list[Worker]]:
    """Processes that get ready side by side, and have ended when the context does."""
    started: list[Worker] = []
    try:
        for name, command in commands.items():
            started.append(Worker(name, command, logs / f"{name.replace(':', '_')}.log"))
        yield started
    finally:
        for worker in started:
            worker.end()


def run_rounds(group: Sequence[Worker], rounds: int, deadline: Deadline) -> None:
    """Measure every worker in every round; every second round in the reverse order.

    A worker that has no time left, or has ended, keeps the rounds that it has.
    """
    for worker in group:
        worker.get_ready(deadline)
    for number in range(rounds):
        for worker in group if number % 2 == 0 else reversed(group):
            if deadline.over:
                return
            worker.measure(deadline)


def milliseconds(worker: Worker) -> dict[str, Any]:
    """A step's median, lowest and highest milliseconds over a worker's rounds, and all of them."""
    values = [seconds * 1e3 for seconds in worker.rounds]
    return {
        "ms": statistics.median(values), "low": min(values), "high": max(values), "rounds": values,
    }  # fmt: skip
