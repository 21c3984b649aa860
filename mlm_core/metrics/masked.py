"""Masked accuracy and masked perplexity as `evaluate` metrics, for `compute_metrics` and other training
loops.

Importing this module imports `evaluate`, which takes seconds. No other module does so when it is imported.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from mlm_core.batches.masking import IGNORED
from mlm_core.metrics.sums import MaskedSums


class MaskedAccuracy(evaluate.Metric):  # type: ignore[misc]
    """The share of labels other than -100 that the most likely token equals.

    `predictions` and `references` (the labels) are flat lists of token ids. `compute` returns
    `masked_accuracy` and `masked_tokens`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info(str(type(self).__doc__), "int64")

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, Any]:
        labels = np.asarray(references)
        known = labels != IGNORED
        right = int((np.asarray(predictions) == labels)[known].sum())
        sums = MaskedSums(correct=right, masked_tokens=int(known.sum()))
        return {"masked_accuracy": sums.accuracy, "masked_tokens": sums.masked_tokens}


class MaskedPerplexity(evaluate.Metric):  # type: ignore[misc]
    """exp of the mean loss of the masked tokens: one division at the end, whatever the batches.

    `predictions` is a flat list of the tokens' losses in nats, and `references` a flat list of their labels.
    Where a label is -100, the loss does not count. `compute` returns `loss`, `perplexity` and
    `masked_tokens`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info(str(type(self).__doc__), "float64")

    def _compute(self, predictions: list[float], references: list[int]) -> dict[str, Any]:
        known = np.asarray(references) != IGNORED
        loss = float(np.asarray(predictions, dtype=np.float64)[known].sum())
        sums = MaskedSums(loss_sum=loss, masked_tokens=int(known.sum()))
        return {"loss": sums.loss, "perplexity": sums.perplexity, "masked_tokens": sums.masked_tokens}


def _info(description: str, predictions: str) -> evaluate.MetricInfo:
    features = {"predictions": datasets.Value(predictions), "references": datasets.Value("int64")}
    return evaluate.MetricInfo(
        description=description, citation="", inputs_description="", features=datasets.Features(features)
    )
