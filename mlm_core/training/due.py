"""What is due after an optimizer step."""

from __future__ import annotations

from dataclasses import dataclass

from mlm_core.batches.plan import BatchPlan
from mlm_core.config.config import Config, required


@dataclass(frozen=True)
class Due:
    """The rules of a run; steps count from 1.

    Attributes:
        plan: of the run.
        config: every option resolved.
    """

    plan: BatchPlan
    config: Config

    def is_last(self, step: int) -> bool:
        """Whether the run ends with a step."""
        return step == self.plan.steps

    def evaluation(self, step: int) -> bool:
        """Whether the held-out text is evaluated: after each epoch, and at the end."""
        return self.is_last(step) or step % self.plan.steps_per_epoch == 0

    def checkpoint(self, step: int) -> bool:
        """Whether a checkpoint is due, whatever an evaluation finds."""
        return self.is_last(step) or self._is_saved(step)

    def version(self, step: int) -> bool:
        """Whether a version is published; the final model is published when the run is complete."""
        if self.is_last(step):
            return False
        strategy = self.config.hub_strategy
        if strategy == "epoch":
            return step % self.plan.steps_per_epoch == 0
        return strategy == "checkpoint" and self._is_saved(step)

    def nothing(self, step: int) -> bool:
        """Whether the next step may begin before this one's sums are known."""
        return not (self.evaluation(step) or self.checkpoint(step) or self.version(step))

    def _is_saved(self, step: int) -> bool:
        return step % required(self.config.save_steps) == 0
