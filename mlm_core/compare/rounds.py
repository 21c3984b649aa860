"""Interleaved rounds: each variant has its own process; one works while the others are blocked.

What slows the machine down for a while slows all variants down alike, because they alternate round by round.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from mlm_core.compare.protocol import CONFIG, ENDED, FAILED, READY, STARTED
from mlm_core.compare.variants import Variant
from mlm_core.config.config import Config
from mlm_core.system.machine import processor_seconds

_SETTLED = 0.05
"""Seconds until the threads of a blocked process sleep: they first wait actively for work for a moment."""


class WorkerProcess:
    """The process of a variant.

    Attributes:
        variant: what it trains.
        facts: the facts of the events it has sent, by event.
        rounds: its steps, round by round, without the warm-up.
        products: operations per second of matrix products alone, measured after the warm-up and each round.
        problem: the error it failed with, or None.
        seconds_to: seconds until it had started, and until it was ready: evaluated and warmed up.
        idle_share: the share of a processor it took during other variants' rounds.
    """

    def __init__(self, variant: Variant, config: Config, directory: Path) -> None:
        self.variant = variant
        self.facts: dict[str, dict[str, Any]] = {}
        self.rounds: list[list[dict[str, Any]]] = []
        self.products: list[float] = []
        self.problem: dict[str, Any] | None = None
        self.seconds_to: dict[str, float] = {}
        self._idle_used, self._idle_time = 0.0, 0.0
        self._idle_since: tuple[float, float] | None = None
        directory.mkdir(parents=True)
        given = {"config": variant.config(config).to_dict(), "hf_recipe": variant.hf_recipe}
        (directory / CONFIG).write_text(json.dumps(given), encoding="utf-8")
        self._log: IO[str] = (directory / "log").open("w+", encoding="utf-8", errors="replace")
        self._command = [sys.executable, "-m", "mlm_core.compare.worker", str(directory)]
        self._started: subprocess.Popen[str] | None = None
        self._begun = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started is not None:
            # Whatever ends the comparison also ends the worker.
            self._started.kill()
            self._started.wait()
        self._log.close()

    @property
    def _process(self) -> subprocess.Popen[str]:
        assert self._started is not None
        return self._started

    def get_ready(self) -> None:
        """Start the process, and wait for the end of its warm-up."""
        self._begun = time.perf_counter()
        # A session of its own keeps Ctrl-C away from it: the comparison handles it and keeps the rounds.
        self._started = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            start_new_session=True,
        )  # fmt: skip
        for event in (STARTED, READY):
            if self._answer() is None:
                return
            self.seconds_to[event] = time.perf_counter() - self._begun
        self.products += self.facts[READY]["products"]

    def rest(self) -> None:
        """Note that its round is over: processor time from here on is at the cost of other variants."""
        used = processor_seconds(self._process.pid) if self.problem is None else None
        self._idle_since = (used, time.perf_counter()) if used is not None else None

    def work(self, steps: int) -> None:
        """Train a round of `steps` steps."""
        answer = self._asked(steps)
        if answer is not None:
            self.rounds.append(answer["steps"])
            self.products += answer["products"]

    def end(self) -> None:
        """Evaluate once more, and exit."""
        self._asked(0)

    def measure_idleness(self) -> None:
        """Note the processor time it has taken since it was blocked."""
        if self.problem is not None or self._idle_since is None:
            return
        used, now = processor_seconds(self._process.pid), time.perf_counter()
        if used is not None:
            self._idle_used += used - self._idle_since[0]
            self._idle_time += now - self._idle_since[1]
            self._idle_since = (used, now)

    @property
    def idle_share(self) -> float | None:
        """See the class; None where it cannot be measured."""
        return self._idle_used / self._idle_time if self._idle_time else None

    def _asked(self, steps: int) -> dict[str, Any] | None:
        if self.problem is not None:
            return None
        self._idle_since = None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        answer = self._answer()
        time.sleep(_SETTLED)
        self.rest()
        return answer

    def _answer(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            event = answer.pop("event")
            if event != FAILED:
                self.facts[event] = answer
                return answer
            self.problem = answer["error"] | {"exit_code": answer["exit_code"]}
            return None
        self.problem = {"code": "ended", "message": self._exit_reason(), "fix": None}
        return None

    def _exit_reason(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        reason = f"its process ended with exit code {code}"
        if code == -9:
            reason = "killed by signal 9, which the system sends when memory runs out"
        return f"{reason}: {lines[-1]}" if lines else reason


def run_rounds(
    processes: list[WorkerProcess], rounds: int, steps: int, round_done: Callable[[int], None]
) -> None:
    """Train every variant round by round. A variant that fails is left out from there on.

    Args:
        processes: the variants' processes, not yet started.
        rounds: the number of rounds of each variant.
        steps: optimizer steps in a round.
        round_done: is called after every round with the number of finished rounds.
    """
    for process in processes:
        process.get_ready()
    for process in processes:
        process.rest()
    for number in range(rounds):
        # The order is reversed in every other round, so that a drift of the machine favours no variant.
        for process in processes if number % 2 == 0 else processes[::-1]:
            others = [other for other in processes if other is not process]
            process.work(steps)
            for other in others:
                other.measure_idleness()
        round_done(number + 1)
    for process in processes:
        process.end()
    for process in processes:
        if process.problem is None and ENDED not in process.facts:
            process.problem = {"code": "ended", "message": "it sent no evaluation", "fix": None}
