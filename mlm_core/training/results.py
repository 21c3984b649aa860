"""The result of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlm_core.metrics.json_values import finite
from mlm_core.metrics.sums import MaskedSums
from mlm_core.training.filled_examples import FilledExample, as_facts, recorded_examples
from mlm_core.visible import quantity, visible


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """The result of a training run.

    Attributes:
        run_dir: the run's directory, with the model.
        backend: the engine that trained it.
        steps: optimizer steps.
        before, after: evaluations of the held-out text before the first step, and of the saved model.
        model_step: the step of the saved weights.
        hub_url: the model's address on the Hub; None: it was not published, or by another process.
        examples: sentences, filled before and after the training.
        new_steps: the steps of the start that finished the run; the others were done before it resumed. None:
            an earlier version has not recorded it.
        training_seconds: their time, without evaluations; None as above.
        tokens_per_second: their mean speed, without slow steps at the beginning; None: there were none.
    """

    run_dir: Path
    backend: str
    steps: int
    before: MaskedSums
    after: MaskedSums
    model_step: int
    hub_url: str | None = None
    examples: Sequence[FilledExample] = ()
    new_steps: int | None = None
    training_seconds: float | None = None
    tokens_per_second: float | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {visible(str(self.run_dir))}: {self.summary()}>"

    def summary(self) -> str:
        """The result in a few words."""
        return (
            f"{visible(self.backend)}, {quantity(self.steps, 'step')}, "
            f"perplexity {self.before.perplexity:.4g} -> {self.after.perplexity:.4g}"
        )

    def as_results(self) -> dict[str, Any]:
        """The result as `mlm train --json` prints it."""
        return {
            "run_dir": str(self.run_dir),
            "backend": self.backend,
            "steps": self.steps,
            "perplexity_before": finite(self.before.perplexity),
            "perplexity": finite(self.after.perplexity),
            "hub_url": self.hub_url,
            "new_steps": self.new_steps,
            "training_seconds": self.training_seconds,
            "tokens_per_second": self.tokens_per_second,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; None where a number is not finite."""
        return {
            "run_dir": str(self.run_dir),
            "backend": self.backend,
            "steps": self.steps,
            "model_step": self.model_step,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "hub_url": self.hub_url,
            "new_steps": self.new_steps,
            "training_seconds": self.training_seconds,
            "tokens_per_second": self.tokens_per_second,
            "examples": as_facts(self.examples),
        }


def recorded_result(path: Path, facts: Mapping[str, Any]) -> TrainingResult:
    """The result in the facts of a run's `run.json`.

    Raises:
        KeyError, TypeError, ValueError: the facts are of a run that has not finished, or are incomplete.
    """
    results = facts["results"]
    # The sum of the losses, not their mean, is recorded.
    before, after = (MaskedSums(*sums) for sums in facts["evaluations"])
    return TrainingResult(
        path,
        str(results["backend"]),
        int(results["steps"]),
        before,
        after,
        int(results["model_step"]),
        examples=recorded_examples(facts.get("examples")),
        **recorded_pace(results),
    )


def recorded_pace(results: Mapping[str, Any]) -> dict[str, Any]:
    """The pace of a finished run, from the results in its `run.json`.

    Raises:
        TypeError, ValueError: a value is no number.
    """
    kinds = {"new_steps": int, "training_seconds": float, "tokens_per_second": float}
    return {name: kind(results[name]) for name, kind in kinds.items() if results.get(name) is not None}
