"""Variants of a benchmark in interleaved rounds, each in a process of its own: `mlm_core.compare.rounds`.

A benchmark starts a worker for each variant, which gets ready and waits. In every round each variant does the
same units of work, in one order and in the next round in reverse (A B C, C B A). What slows the machine down
for a while thus slows all of them down.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mlm_core.compare.hf_recipe import StepClock
from mlm_core.compare.protocol import ENDED, READY, ROUND, Channel, NoMoreStepsError, WorkerRounds
from mlm_core.compare.rounds import WorkerProcess, run_rounds
from mlm_core.system.machine import peak_memory


class Rounds:
    """A worker's units of work: call `unit_done` after each.

    The first `warm_up` units are for compiling, caches and threads, and are not reported.

    Attributes:
        clock: times the units; the `StepCallback` of a training loop takes it and calls no `unit_done`.
    """

    def __init__(self, warm_up: int) -> None:
        self._facts: dict[str, Any] = {}
        self._channel = Channel()
        self._rounds = WorkerRounds(
            self._channel, warm_up, lambda _: self._facts | {"peak_mb": peak_memory()}
        )
        self.clock = StepClock(self._timed)

    @property
    def warming_up(self) -> bool:
        """Whether units are not reported yet."""
        return self._rounds.warming_up

    def note(self, **facts: Any) -> None:
        """Add facts to the variant's outcome, as JSON values; they must be the same in every round."""
        self._facts |= facts

    def unit_done(self) -> None:
        """A unit of work is done. Returns when the next one is due; ends the process if none is."""
        self.clock.step_done()

    def _timed(self, seconds: float) -> None:
        try:
            self._rounds.step_done({"seconds": seconds})
        except NoMoreStepsError:
            self._channel.send(ENDED)
            # This call is inside a framework's loop, which may have threads that would go on.
            os._exit(0)


def run_variants(
    commands: Mapping[str, Sequence[str]], rounds: int, units: int, scratch: Path
) -> dict[str, dict[str, Any]]:
    """Seconds per unit of work of every variant.

    Args:
        commands: starts the worker of each variant.
        rounds: how many rounds each works.
        units: units of work in a round; their median counts.
        scratch: a directory for what the workers print.

    Returns:
        By variant `{"seconds": [the median of each round], "fastest": seconds of a unit, "ready_after":
        seconds, "peak_mb": MB}` and what the worker has noted, or `{"problem": message}`.
    """
    with ExitStack() as stack:
        processes = [
            stack.enter_context(WorkerProcess(command, scratch / f"variant-{number}.log"))
            for number, command in enumerate(commands.values())
        ]
        print(f"starting {', '.join(commands)}, one by one", file=sys.stderr)
        run_rounds(processes, rounds, units, lambda n: print(f"round {n} of {rounds}", file=sys.stderr))
        return {name: _outcome(process) for name, process in zip(commands, processes, strict=True)}


def _outcome(process: WorkerProcess) -> dict[str, Any]:
    if process.problem is not None:
        return {"problem": process.problem["message"]}
    seconds = [[unit["seconds"] for unit in units] for units in process.rounds]
    last = process.facts.get(ROUND, process.facts[READY])
    return {
        "seconds": [statistics.median(units) for units in seconds],
        "fastest": min((least for units in seconds for least in units), default=float("inf")),
        "ready_after": process.seconds_to[READY],
    } | {name: value for name, value in last.items() if name != "steps"}
