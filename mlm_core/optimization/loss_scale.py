"""The scale of the loss in float16, whose smallest number is too large for many gradients.

The loss is multiplied before the backward pass and the gradients are divided after it. Where that was too
much, which shows as a gradient that is not finite, the step changes no weight and the scale is halved; after
many steps without it is doubled (Micikevicius et al., 2018, "Mixed precision training"; the numbers are
PyTorch's own).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIRST = 2.0**16
LEAST = 1.0
"""Below it is not the scale that is wrong."""

STEPS_TO_GROW = 2000


@dataclass
class LossScale:
    """What the loss of the next step is multiplied with.

    Attributes:
        value: a power of two.
        good_steps: steps since it last changed.
    """

    value: float = FIRST
    good_steps: int = 0

    @classmethod
    def of(cls, state: Sequence[float]) -> LossScale:
        """As it was when `state` was taken."""
        return cls(float(state[0]), int(state[1]))

    def state(self) -> list[float]:
        """What a checkpoint keeps."""
        return [self.value, self.good_steps]

    def step(self, finite: bool) -> None:
        """A step is done, its gradient finite or not."""
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good_steps == STEPS_TO_GROW:
            self.value, self.good_steps = self.value * 2, 0
