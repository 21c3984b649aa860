"""Logits from one traced function for batches of all shapes, once many batches have come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.model.sparse_head import sparse_head_problem

TRACED_FROM = 64
"""The call from which on the pass is traced.

A trace takes 2 to 4 s and then saves most of each call, 15 to 130 ms: it pays after 30 to 200 further calls.
Few batches must not wait for it, and a caller with 64 batches probably has more.
"""

Tensors = Mapping[str, tf.Tensor]


class TracedLogits:
    """Computes a model's logits without dropout: eagerly at first, then with a traced function.

    Each combination of entries and sparse head has a trace of its own. Weights may change: every call of a
    trace reads them anew. A class that cannot be traced, or whose traced logits differ, is called eagerly.

    Args:
        model: a slot model.

    Attributes:
        traces: the traced functions in use; None: that combination is called eagerly for ever.
    """

    def __init__(self, model: Any) -> None:
        self.traces: dict[Any, Any] = {}
        self._model = model
        self._calls: Counter[Any] = Counter()

    def __call__(self, batch: Tensors) -> NDArray[np.float32]:
        """The logits of a batch, float32."""
        entries = tuple((name, tensor.dtype, tensor.shape.rank) for name, tensor in sorted(batch.items()))
        # The head itself, because a trace contains it.
        key = (entries, self._model.sparse_head)
        if key in self.traces:
            return self._traced(key, batch)
        self._calls[key] += 1
        return self.eager(batch) if self._calls[key] < TRACED_FROM else self._trace(key, batch)

    def eager(self, batch: Tensors) -> NDArray[np.float32]:
        """The logits of a batch, float32, by an eager call."""
        if self._model.sparse_head is not None:
            # A trace that failed may have left its positions.
            self._model.sparse_head.positions = None
        return self._pass(batch).numpy()

    def _pass(self, batch: Tensors) -> tf.Tensor:
        return tf.cast(self._model(dict(batch), training=False).logits, tf.float32)

    def _trace(self, key: Any, batch: Tensors) -> NDArray[np.float32]:
        """Trace the pass, and keep the trace if its logits are right; returns the eager logits."""
        self.traces[key] = None
        logits = self.eager(batch)
        # With a size in it, a trace would serve that size alone.
        specs = {name: tf.TensorSpec([None] * rank, dtype) for name, dtype, rank in key[0]}
        # A class that needs to know a size may raise any exception.
        with suppress(Exception):
            traced = tf.function(self._pass, input_signature=[specs])
            if sparse_head_problem(logits, traced(batch).numpy()) is None:
                self.traces[key] = traced
        return logits

    def _traced(self, key: Any, batch: Tensors) -> NDArray[np.float32]:
        """The logits by the trace; eagerly, from now on, if there is none or it fails."""
        with suppress(Exception):
            if self.traces[key] is not None:
                return self.traces[key](batch).numpy()
        self.traces[key] = None
        return self.eager(batch)
