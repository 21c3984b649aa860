"""Predicting with TensorFlow."""

from __future__ import annotations

from typing import final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.initialization import ModelOutline, Weights
from mlm_core.model_source import ModelSource
from mlm_core.predictor import Predictor
from mlm_tf.model import build_model, set_up
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

    def _logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        output = self._network({"input_ids": tf.constant(input_ids)}, training=False)
        return tf.cast(output.logits, tf.float32).numpy()
