"""Metrics of the `evaluate` library, by name or path, over masked positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import IGNORED
from mlm_core.compat.transformers import Tokenizer
from mlm_core.errors import RequestError, first_line
from mlm_core.metrics.sums import plain

_STRING = "string"


class NamedMetrics:
    """Metrics that are given the most likely token and the right one of each masked position.

    They get token ids; a metric that is defined on text gets the tokens.

    Args:
        names: of metrics on the Hub or in its cache, or paths of scripts.
        options: passed on to each metric's `compute`, such as `average`.
        tokenizer: turns ids into tokens.

    Raises:
        RequestError: a metric cannot be loaded.
    """

    def __init__(self, names: Sequence[str], options: Mapping[str, Any], tokenizer: Tokenizer) -> None:
        self._metrics = {name: _load(name) for name in names}
        self._options = options
        self._tokenizer = tokenizer

    def add(self, predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Take in the most likely tokens and the labels of a batch, both `[batch, slots]`."""
        known = labels != IGNORED
        if not known.any():
            return
        for name, metric in self._metrics.items():
            try:
                metric.add_batch(
                    predictions=self._as_wanted(metric, "predictions", predictions[known]),
                    references=self._as_wanted(metric, "references", labels[known]),
                )
            except Exception as error:
                raise _refusal(name, f"takes no token ids ({first_line(error)})") from None

    def compute(self) -> dict[str, Any]:
        """What every metric says, as plain JSON values.

        Raises:
            RequestError: a metric fails on what it was given.
        """
        found: dict[str, Any] = {}
        for name, metric in self._metrics.items():
            try:
                results = metric.compute(**self._options)
            except Exception as error:
                # A metric is a script from anywhere; it fails in its own way.
                fix = "options go in as --metric-option average=macro"
                raise _refusal(name, f"failed ({first_line(error)})", fix) from None
            if not isinstance(results, Mapping):
                raise _refusal(name, f"returned {type(results).__name__} in the place of named values")
            twice = next((key for key in results if key in found), None)
            if twice is not None:
                raise _refusal(
                    name, f"calls a value {twice}, as another metric does", "ask for one at a time"
                )
            found |= plain(results)
        return found

    def _as_wanted(self, metric: Any, column: str, ids: NDArray[np.int64]) -> list[Any]:
        features = metric.features[0] if isinstance(metric.features, list) else metric.features
        if getattr(features[column], "dtype", None) == _STRING:
            return [str(token) for token in self._tokenizer.convert_ids_to_tokens(ids.tolist())]
        return list(ids.tolist())


def _load(name: str) -> Any:
    import evaluate

    try:
        return evaluate.load(name)
    except ImportError as error:
        raise _refusal(name, f"needs a package that is not installed ({first_line(error)})") from None
    except Exception as error:
        fix = "give the path of a metric's script; one by name needs the Hub or its cache"
        raise _refusal(name, f"cannot be loaded ({first_line(error)})", fix) from None


def _refusal(name: str, message: str, fix: str | None = None) -> RequestError:
    return RequestError(message, code="bad_metric", option="--metric", value=name, fix=fix)
