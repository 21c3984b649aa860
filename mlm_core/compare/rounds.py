"""Interleaved rounds: worker processes take turns, one at work and the others blocked.

What slows the machine down for a while thus slows all of them down alike.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from mlm_core.compare.load import MachineLoad
from mlm_core.compare.protocol import ENDED, FAILED, READY, STAGE
from mlm_core.system.child_processes import child_environment
from mlm_core.system.machine import processor_seconds

_SETTLED = 0.05
"""Seconds until the threads of a blocked process sleep: they first wait for work for a moment."""


class WorkerProcess:
    """A process that works in rounds; it talks as `mlm_core.compare.protocol` says.

    Args:
        command: starts the process.
        log: a file for what it prints.

    Attributes:
        facts: what it has reported, by event.
        rounds: its steps, round by round, without the warm-up.
        problem: how it failed, as `code`, `message` and `fix`; None: it has not failed.
        seconds_to: seconds from its start to each event up to `ready`.
        watch: is told what the process does now; by default nobody.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.facts: dict[str, dict[str, Any]] = {}
        self.rounds: list[list[dict[str, Any]]] = []
        self.problem: dict[str, Any] | None = None
        self.seconds_to: dict[str, float] = {}
        self.watch: Callable[[str], None] = lambda stage: None
        self._idle_used, self._idle_time = 0.0, 0.0
        self._idle_since: tuple[float, float] | None = None
        self._command = command
        self._log: IO[str] = log.open("w+", encoding="utf-8", errors="replace")
        self._started: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started is not None:
            # Whatever ends this process also ends the worker.
            self._started.kill()
            self._started.wait()
        self._log.close()

    @property
    def _process(self) -> subprocess.Popen[str]:
        assert self._started is not None
        return self._started

    @property
    def pid(self) -> int | None:
        """The id of the process; None: it is not started."""
        return self._started.pid if self._started is not None else None

    def get_ready(self) -> None:
        """Start it, and wait until its warm-up is done."""
        begun = time.perf_counter()
        self.watch("starting the process")
        # In a session of its own: Ctrl-C is for this process, which has the rounds to keep.
        self._started = subprocess.Popen(
            self._command, env=child_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        while self.problem is None and READY not in self.facts:
            event = self._answer()
            if event is not None:
                self.seconds_to[event] = time.perf_counter() - begun

    def rest(self) -> None:
        """Its turn is over: processor time that it takes from here on slows the others down."""
        used = processor_seconds(self._process.pid) if self.problem is None else None
        self._idle_since = (used, time.perf_counter()) if used is not None else None

    def work(self, steps: int) -> None:
        """Do a round."""
        event = self._ask(steps)
        if event is not None:
            self.rounds.append(self.facts[event]["steps"])

    def end(self) -> None:
        """Tell it that the comparison is over, and wait for its last report."""
        self._ask(0)

    def measure_idleness(self) -> None:
        """Note the processor time that it has taken since it was blocked."""
        if self.problem is not None or self._idle_since is None:
            return
        used, now = processor_seconds(self._process.pid), time.perf_counter()
        if used is not None:
            self._idle_used += used - self._idle_since[0]
            self._idle_time += now - self._idle_since[1]
            self._idle_since = (used, now)

    @property
    def idle_share(self) -> float | None:
        """The share of a processor that it took in the others' turns; None: it cannot be told."""
        return self._idle_used / self._idle_time if self._idle_time else None

    def _ask(self, steps: int) -> str | None:
        if self.problem is not None:
            return None
        self._idle_since = None
        assert self._process.stdin is not None
        # If the process is gone, for example for want of memory, its answer says so.
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        event = self._answer()
        time.sleep(_SETTLED)
        self.rest()
        return event

    def _answer(self) -> str | None:
        """The event that the process reports; None: it has failed."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            event = str(answer.pop("event"))
            if event == STAGE:
                self.watch(str(answer["name"]))
                continue
            if event != FAILED:
                self._heard(event, answer)
                return event
            self.problem = answer["error"] | {"exit_code": answer["exit_code"]}
            return None
        self.problem = {"code": "ended", "message": self._last_words(), "fix": None}
        return None

    def _heard(self, event: str, facts: dict[str, Any]) -> None:
        self.facts[event] = facts

    def _last_words(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        how = f"killed by signal {-code}, as the system does when memory runs out" if code == -9 else (
            f"its process ended with {code}"
        )  # fmt: skip
        return f"{how}: {lines[-1]}" if lines else how


def run_rounds(
    processes: Sequence[WorkerProcess],
    rounds: int,
    steps: int,
    round_done: Callable[[int], None],
    load: MachineLoad | None = None,
) -> None:
    """Let every process work round by round. A process that fails is left out from then on.

    Args:
        processes: none of them is started yet.
        rounds: how many rounds each works.
        steps: steps in a round.
        round_done: called when all are ready, and after every round, with the number of rounds so far.
        load: measures what else the machine does in the rounds; None: nothing does.
    """
    for process in processes:
        process.get_ready()
    for process in processes:
        process.rest()
    round_done(0)
    for number in range(rounds):
        with load.round() if load is not None else nullcontext():
            # Whoever goes first goes last in the next round: a drift favours nobody.
            _round(processes if number % 2 == 0 else processes[::-1], steps)
        round_done(number + 1)
    for process in processes:
        process.end()
    for process in processes:
        if process.problem is None and ENDED not in process.facts:
            process.problem = {"code": "ended", "message": "its last report is missing", "fix": None}


def _round(processes: Sequence[WorkerProcess], steps: int) -> None:
    for process in processes:
        process.work(steps)
        for other in processes:
            if other is not process:
                other.measure_idleness()
