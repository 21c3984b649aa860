"""How a worker process and the comparison talk: a line of JSON for each event.

The worker says `ready` and `round`, and `started` before them if it then has facts to report. After `ready`
and after each `round` it waits until it is told how many steps are due. Told 0, it says `ended` and ends. A
worker that fails says `failed`. At any time it may say with `stage` what it does now.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

STARTED, READY, ROUND, ENDED, FAILED = "started", "ready", "round", "ended", "failed"
STAGE = "stage"
CONFIG = "config.json"


class NoMoreStepsError(Exception):
    """The comparison wants no further step: ends a training loop that belongs to a framework."""


class Channel:
    """The worker's end."""

    def __init__(self) -> None:
        # Libraries print to stdout. Send that to stderr, and keep stdout for the comparison.
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def send(self, event: str, **facts: Any) -> None:
        """Report an event; `facts` are JSON values."""
        print(json.dumps({"event": event} | facts), file=self._out, flush=True)

    def stage(self, name: str) -> None:
        """Say what is done now, for whoever waits: a phrase."""
        self.send(STAGE, name=name)

    def receive_steps(self) -> int:
        """Wait until steps are due; returns how many. 0: the comparison is over."""
        return int(sys.stdin.readline() or 0)


class WorkerRounds:
    """A worker's steps in rounds: reports after the warm-up and after each round, then waits for the next.

    Args:
        channel: the worker's end.
        warm_up: steps before the worker is ready, at least 1.
        facts: returns what else to report with an event, as JSON values.
    """

    def __init__(self, channel: Channel, warm_up: int, facts: Callable[[str], Mapping[str, Any]]) -> None:
        self._channel = channel
        self._facts = facts
        self._steps: list[dict[str, Any]] = []
        self._due = warm_up
        self._event = READY

    @property
    def warming_up(self) -> bool:
        """Whether the warm-up is not over."""
        return self._event == READY

    @property
    def ends_with_next(self) -> bool:
        """Whether the next step that is noted is the last one due."""
        return len(self._steps) + 1 >= self._due

    def step_done(self, step: dict[str, Any]) -> None:
        """Note what is known of a step; after the last one that is due, report and wait.

        Raises:
            NoMoreStepsError: the comparison is over.
        """
        self._steps.append(step)
        if len(self._steps) < self._due:
            return
        self._channel.send(self._event, steps=self._steps, **self._facts(self._event))
        self._event, self._steps = ROUND, []
        self._due = self._channel.receive_steps()
        if self._due == 0:
            raise NoMoreStepsError
