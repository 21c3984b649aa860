"""How fast a run is: the one estimate behind tokens/s and the time left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import dropwhile
from typing import Any

from mlm_core.batches.plan import BatchPlan

_RECENT = 20
"""Number of recent steps whose median counts."""

_LEADING = 8
"""Number of first steps among which slow ones are left out of the mean."""

_SLOW = 2.0
"""A first step that takes so many times as long as a usual one is slow."""


class Pace:
    """The pace of the steps that this process has done.

    In its first steps, a framework traces or compiles, and in its first evaluation, too. They count only
    where nothing else is known: tokens/s and the time left never contradict each other.

    Args:
        plan: of the run.

    Attributes:
        seconds: the time of all steps, without evaluations.
    """

    def __init__(self, plan: BatchPlan) -> None:
        self.seconds = 0.0
        self._plan = plan
        self._step, self._steps, self._evaluations = 0, 0, 0
        self._recent: deque[tuple[int, float]] = deque(maxlen=_RECENT)
        self._leading: list[tuple[int, float]] = []
        self._later = (0, 0.0)
        self._evaluation_seconds = 0.0

    def step(self, step: int, tokens: int, seconds: float) -> None:
        """Note optimizer step `step`, counted from 1, its tokens and how long it took."""
        self._step = step
        self._steps += 1
        self.seconds += seconds
        if self._steps == 2:
            # It takes the place of the first.
            self._recent.clear()
        self._recent.append((tokens, seconds))
        if self._steps <= _LEADING:
            self._leading.append((tokens, seconds))
        else:
            self._later = (self._later[0] + tokens, self._later[1] + seconds)

    def evaluation(self, seconds: float) -> None:
        """Note how long an evaluation took."""
        self._evaluations += 1
        if self._evaluations > 1:
            self._evaluation_seconds = seconds

    @property
    def tokens_per_second(self) -> float | None:
        """Of the recent steps; None: only a first step is known, and more follow."""
        return _speed(*self._usual) if self._is_known else None

    @property
    def seconds_left(self) -> float | None:
        """To the end of the run, evaluations included; None as above."""
        if not self._is_known:
            return None
        steps = (self._plan.steps - self._step) * self._usual[1]
        return steps + self._evaluations_left * self._evaluation_seconds

    @property
    def mean_tokens_per_second(self) -> float | None:
        """Of all steps but slow ones at the beginning; None: there was no step."""
        if not self._steps:
            return None
        slow = _SLOW * self._usual[1]
        counted = [*dropwhile(lambda step: step[1] > slow, self._leading), self._later]
        return _speed(sum(tokens for tokens, _ in counted), sum(seconds for _, seconds in counted))

    @property
    def facts(self) -> dict[str, Any]:
        """What the result of a run says of it."""
        return {
            "new_steps": self._steps,
            "training_seconds": self.seconds,
            "tokens_per_second": self.mean_tokens_per_second,
        }

    @property
    def _is_known(self) -> bool:
        return self._steps > 1 or (self._steps == 1 and self._step == self._plan.steps)

    @property
    def _usual(self) -> tuple[float, float]:
        """Tokens and seconds of a step, as medians: an epoch's last batch may hold a single block."""
        return _median(tokens for tokens, _ in self._recent), _median(seconds for _, seconds in self._recent)

    @property
    def _evaluations_left(self) -> int:
        """One after each epoch, this step's included, and one at the end."""
        steps, each = self._plan.steps, self._plan.steps_per_epoch
        return steps // each - (self._step - 1) // each + (1 if steps % each else 0)


def _speed(tokens: float, seconds: float) -> float:
    return tokens / max(seconds, 1e-9)


def _median(values: Iterable[float]) -> float:
    found = sorted(values)
    return found[len(found) // 2]
