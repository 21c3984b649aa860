"""Predicting with TensorFlow."""

from __future__ import annotations

from typing import final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.batch import Batch
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.model_source import ModelSource
from mlm_core.predictor import Predictor
from mlm_tf.head import SparseHead
from mlm_tf.machine import set_up
from mlm_tf.model import build_model
from mlm_tf.weights import assign, outline


@final
class TensorFlowPredictor(Predictor):
    """The core's predictor on TensorFlow."""

    def _build(self, model: ModelSource) -> ModelOutline:
        set_up(self.config.device, self.config.threads)
        self._network = build_model(model.config, model.name)
        return outline(self._network)

    def _assign(self, weights: Weights) -> None:
        assign(self._network, weights)

    def _logits(self, batch: Batch) -> NDArray[np.float32]:
        inputs = {name: tf.constant(array) for name, array in batch.items()}
        return tf.cast(self._network(inputs, training=False).logits, tf.float32).numpy()

    def _use_head(self, *, sparse: bool, probe: Batch) -> None:
        self._network.sparse_head = SparseHead(self._network) if sparse else None
