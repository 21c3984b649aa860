"""Columns in interleaved rounds: each in a process of its own, process, one at work and the others blocked.

What slows the machine down for a while slows all variants down alike, as they take turns round by round.
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
"""Seconds after which a blocked process has put its threads to sleep: they wait for work for a moment."""


class WorkerProcess:
    """A column's process.

    Attributes:
        variant: what it is.
        facts: what it has said of itself, by event.
        rounds: its steps, round by round, the warm-up left out.
        products: operations a second in products alone, seen after each round and the warm-up.
        problem: how it failed; None: it did not.
        seconds_to: until it had started, and until it was ready: evaluated, and warmed up.
        idle_share: of a processor, what it took in other columns' turns.
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
        given = {"config": variant.config(config).to_dict(), "guide": variant.guide}
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
            # Whatever ends this process ends the other one, too.
            self._started.kill()
            self._started.wait()
        self._log.close()

    @property
    def _process(self) -> subprocess.Popen[str]:
        assert self._started is not None
        return self._started

    def get_ready(self) -> None:
        """Start it, and wait until it has done its warm-up."""
        self._begun = time.perf_counter()
        # In a session of its own: Ctrl-C is for this process, which has the rounds to keep.
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
        """Its turn is over: what it takes of the processor from here on is at others' cost."""
        used = processor_seconds(self._process.pid) if self.problem is None else None
        self._idle_since = (used, time.perf_counter()) if used is not None else None

    def work(self, steps: int) -> None:
        """Do a round."""
        answer = self._asked(steps)
        if answer is not None:
            self.rounds.append(answer["steps"])
            self.products += answer["products"]

    def end(self) -> None:
        """Evaluate once more, and go."""
        self._asked(0)

    def look_at_idleness(self) -> None:
        """Note what it has taken of the processor since it was blocked."""
        if self.problem is not None or self._idle_since is None:
            return
        used, now = processor_seconds(self._process.pid), time.perf_counter()
        if used is not None:
            self._idle_used += used - self._idle_since[0]
            self._idle_time += now - self._idle_since[1]
            self._idle_since = (used, now)

    @property
    def idle_share(self) -> float | None:
        """See above; None where it cannot be told."""
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
        self.problem = {"code": "ended", "message": self._last_words(), "fix": None}
        return None

    def _last_words(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        said = [line.strip() for line in self._log if line.strip()]
        how = f"killed by signal {-code}, as the system does when memory runs out" if code == -9 else (
            f"its process ended with {code}"
        )  # fmt: skip
        return f"{how}: {said[-1]}" if said else how


def run_rounds(
    processes: list[WorkerProcess], rounds: int, steps: int, round_done: Callable[[int], None]
) -> None:
    """Let every variant work round by round; those that fail are left out from there on.

    Args:
        processes: the columns' processes, none of them ready.
        rounds: how often each works.
        steps: in a round.
        round_done: is called after every round, with how many there have been.
    """
    for process in processes:
        process.get_ready()
    for process in processes:
        process.rest()
    for number in range(rounds):
        # Who goes first goes last in the next round: a drift favours nobody.
        for process in processes if number % 2 == 0 else processes[::-1]:
            others = [other for other in processes if other is not process]
            process.work(steps)
            for other in others:
                other.look_at_idleness()
        round_done(number + 1)
    for process in processes:
        process.end()
    for process in processes:
        if process.problem is None and ENDED not in process.facts:
            process.problem = {"code": "ended", "message": "it did not evaluate", "fix": None}
