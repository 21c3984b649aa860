"""The result of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlm_core.metrics.json_values import finite
from mlm_core.metrics.sums import MaskedSums
from mlm_core.training.filled_examples import FilledExample


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training run.

    Attributes:
        run_dir: the run's directory, with the model.
        backend: the engine that trained it.
        steps: optimizer steps.
        before, after: evaluations of the held-out text before the first step, and of the saved model.
        model_step: the step of the saved weights.
        hub_url: the model's address on the Hub; None: it was not published.
        examples: sentences, filled before and after the training.
    """

    run_dir: Path
    backend: str
    steps: int
    before: MaskedSums
    after: MaskedSums
    model_step: int
    hub_url: str | None = None
    examples: Sequence[FilledExample] = ()

    def as_results(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "run_dir": str(self.run_dir),
            "backend": self.backend,
            "steps": self.steps,
            "perplexity_before": finite(self.before.perplexity),
            "perplexity": finite(self.after.perplexity),
            "hub_url": self.hub_url,
        }
