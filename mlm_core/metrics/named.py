"""Metrics of the `evaluate` library over masked positions, given by name or path.

A metric is a program: loading one runs it, whether it comes from the Hub or from a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import IGNORED
from mlm_core.compat.transformers import Tokenizer
from mlm_core.errors import RequestError, first_line
from mlm_core.metrics.json_values import plain

_STRING = "string"


class NamedMetrics:
    """Metrics that compare the most likely token with the right token at each masked position.

    A metric receives token ids, or the tokens themselves if it is defined on text.

    Args:
        names: names of metrics on the Hub or in its cache, or paths of scripts.
        options: passed to each metric's `compute`, for example `average`.
        tokenizer: converts ids to tokens.

    Raises:
        RequestError: a metric cannot be loaded.
    """

    def __init__(self, names: Sequence[str], options: Mapping[str, Any], tokenizer: Tokenizer) -> None:
        self._metrics = {name: _load(name) for name in names}
        self._options = options
        self._tokenizer = tokenizer

    def add(self, predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Add a batch: the most likely tokens and the labels, both `[batch, slots]` int64.

        Raises:
            RequestError: a metric does not accept them.
        """
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
                raise _metric_error(name, f"does not accept token ids ({first_line(error)})") from None

    def compute(self) -> dict[str, Any]:
        """The values of every metric by name, as plain JSON.

        Raises:
            RequestError: a metric fails, returns no named values, or uses a name of another metric.
        """
        found: dict[str, Any] = {}
        for name, metric in self._metrics.items():
            try:
                results = metric.compute(**self._options)
            except Exception as error:
                # A metric is a script by anyone, so it may raise any exception.
                fix = "give the options it needs, for example --metric-option average=macro"
                raise _metric_error(name, f"failed ({first_line(error)})", fix) from None
            if not isinstance(results, Mapping):
                raise _metric_error(name, f"returned {type(results).__name__}, not named values")
            twice = next((key for key in results if key in found), None)
            if twice is not None:
                raise _metric_error(
                    name, f"returns {twice}, and so does another metric", "use one metric at a time"
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

    path = Path(name)
    explicit = path.is_absolute() or name.startswith((f".{os.sep}", f"..{os.sep}"))
    if not explicit and (path.exists() or path.with_suffix(".py").exists()):
        # `evaluate` would prefer what is in the current directory, and run it.
        fix = f"give {os.path.join('.', name)} to run it, or start in another directory"  # noqa: PTH118
        raise _metric_error(name, "is also the name of something in the current directory", fix)
    try:
        return evaluate.load(name)
    except ImportError as error:
        raise _metric_error(name, f"needs a package that is not installed ({first_line(error)})") from None
    except Exception as error:
        fix = "give the path of a metric's script; a metric's name needs the Hub or its cache"
        raise _metric_error(name, f"cannot be loaded ({first_line(error)})", fix) from None


def _metric_error(name: str, message: str, fix: str | None = None) -> RequestError:
    return RequestError(message, code="bad_metric", option="--metric", value=name, fix=fix)
