"""The scale of the loss in float16, whose smallest number is too large for many gradients.

The loss is multiplied by the scale before the backward pass, and the gradients are divided by it afterwards.
If a gradient is then not finite, the scale is too large: the step changes no weight and the scale is halved.
After many steps with finite gradients, the scale is doubled (Micikevicius et al., 2018, "Mixed precision
training"; the constants are the defaults of PyTorch's `GradScaler`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIRST = 2.0**16
"""The first scale."""

LEAST = 1.0
"""The smallest useful scale: if gradients are not finite even so, the scale is not the cause."""

STEPS_TO_GROW = 2000
"""Steps with finite gradients after which the scale is doubled."""


@dataclass
class LossScale:
    """The factor of the next step's loss.

    Attributes:
        value: a power of two.
        good_steps: steps with finite gradients since the scale last changed.
    """

    value: float = FIRST
    good_steps: int = 0

    @classmethod
    def of(cls, state: Sequence[float] | None) -> LossScale:
        """The scale of which `state` is the saved state; None: the first one of a run."""
        return cls(float(state[0]), int(state[1])) if state is not None else cls()

    def state(self) -> list[float]:
        """The state for a checkpoint: value and good steps."""
        return [self.value, self.good_steps]

    def step(self, finite: bool) -> None:
        """Update the scale after a step; `finite` says whether its gradients are finite."""
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good_steps == STEPS_TO_GROW:
            self.value, self.good_steps = self.value * 2, 0
