"""What the training loop calls of a model, and what it tells of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.initialization import Weights
from mlm_core.training.checkpoint import Moments


class EvaluationStoppedError(Exception):
    """Ends an evaluation between two batches; the loop answers it.

    Args:
        number: of the signal that a rank has received.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class TrainedModel:
    """The functions of the model and its optimizer that the loop calls.

    Attributes:
        evaluate: returns the sums over the held-out text with the current weights.
        weights: returns every current parameter by canonical name.
        moments: returns the optimizer's current moments.
        assign: sets every parameter.
    """

    evaluate: Callable[[], MaskedSums]
    weights: Callable[[], Mapping[str, Any]]
    moments: Callable[[], Moments]
    assign: Callable[[Weights], None]


@dataclass(frozen=True)
class DoneStep:
    """A finished optimizer step.

    Attributes:
        line: the step's line in `metrics.jsonl`.
        seconds: from the end of the previous step, without evaluations.
        batch_seconds: the time to make the step's batch, estimated from the batches made so far; TensorFlow
            makes batches in parallel, and far ahead.
    """

    line: Mapping[str, Any]
    seconds: float
    batch_seconds: float
