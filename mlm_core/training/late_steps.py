"""An optimizer step whose values may still be on their way from the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlm_core.metrics.sums import MaskedSums
from mlm_core.optimization.loss_scale import LEAST, LossScale
from mlm_core.training.checkpoint import Checkpoints
from mlm_core.training.recorder import Recorder
from mlm_core.training.run_errors import not_finite

StepValues = Callable[[], tuple[MaskedSums, float]]
"""Waits for the sums of a step's global batch and the gradient's norm before clipping, and returns them.

Every rank calls it; all get the values over all ranks.
"""


@dataclass(frozen=True)
class LateStep:
    """A step that the device has been told to do.

    Attributes:
        step: its number, from 1.
        values: its sums and norm.
        digest: of its global batch; None: batches are not verified.
    """

    step: int
    values: StepValues
    digest: str | None

    def record(self, recorder: Recorder) -> tuple[dict[str, Any], MaskedSums, float]:
        """Wait for the values, and record them; returns the line, the sums and the norm."""
        sums, grad_norm = self.values()
        return recorder.step(self.step, sums, grad_norm, self.digest), sums, grad_norm


def check_finite(
    step: int, sums: MaskedSums, grad_norm: float, scale: LossScale | None, checkpoints: Checkpoints
) -> None:
    """Check that a step's loss and gradient are finite; a batch without masked tokens passes.

    Args:
        step: its number, from 1.
        sums: of its global batch.
        grad_norm: before clipping.
        scale: the loss scale; it may explain a gradient that is not finite, and a smaller one is tried.
        checkpoints: of the run.

    Raises:
        RunError: one is not finite; it names the newest checkpoint before the fault.
    """
    loss_is_finite = math.isfinite(sums.loss_sum)
    if not sums.masked_tokens or (loss_is_finite and math.isfinite(grad_norm)):
        return
    if scale is not None and scale.value > LEAST and loss_is_finite:
        return
    # A step's loss is the loss of the weights before the step.
    good = step - 1 if loss_is_finite else step - 2
    reason = f"the loss at step {step} is {sums.loss}, the gradient's norm is {grad_norm}"
    raise not_finite(checkpoints, reason, good)
