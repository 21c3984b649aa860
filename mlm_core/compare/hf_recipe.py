"""What both halves of the guide's own recipe have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mlm_core.training.setup import TrainingSetup


def recipe_rows(setup: TrainingSetup) -> Any:
    """A setup's training blocks as the guide has them after grouping: a `datasets.Dataset` of lists."""
    import datasets

    blocks = setup.train.blocks
    ones = [[1] * blocks.shape[1]] * len(blocks)
    return datasets.Dataset.from_dict({"input_ids": blocks.tolist(), "attention_mask": ones})


class StepClock:
    """Seconds from step to step, for a framework's own callback.

    Args:
        step_done: is called after each step with the seconds it took; its time is none of the next one's.
    """

    def __init__(self, step_done: Callable[[float], None]) -> None:
        self._step_done = step_done
        self.begin()

    def begin(self) -> None:
        """The first step begins."""
        self._last = time.perf_counter()

    def end(self) -> None:
        """A step has ended."""
        self._step_done(time.perf_counter() - self._last)
        self.begin()
