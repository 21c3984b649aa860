"""The shared part of the Hugging Face recipe: the training loop of the masked-language-modeling guide."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mlm_core.training.setup import TrainingSetup


def recipe_rows(setup: TrainingSetup) -> Any:
    """A setup's training blocks as a `datasets.Dataset` of lists, as the recipe has them after grouping.

    Args:
        setup: its blocks are `[blocks, block size]`.
    """
    import datasets

    blocks = setup.train.blocks
    ones = [[1] * blocks.shape[1]] * len(blocks)
    return datasets.Dataset.from_dict({"input_ids": blocks.tolist(), "attention_mask": ones})


class StepClock:
    """A timer of steps, for a framework's callback.

    Args:
        step_done: is called after each step with its seconds. The time of this call does not count.
    """

    def __init__(self, step_done: Callable[[float], None]) -> None:
        self._step_done = step_done
        self.begin()

    def begin(self) -> None:
        """Restart the step timer."""
        self._last = time.perf_counter()

    def end(self) -> None:
        """Report the step that has ended, and restart the step timer."""
        self._step_done(time.perf_counter() - self._last)
        self.begin()
