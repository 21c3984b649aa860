"""The core's network in TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.initialization import ParameterSpecs, Weights
from mlm_core.model.source import ModelSource
from mlm_core.network import Network, NetworkOptions
from mlm_core.training.first_batch import FirstBatch
from mlm_tf.head import SparseHead
from mlm_tf.machine import allow_tf32, set_up
from mlm_tf.model import CLASS_PREFIX, build_model
from mlm_tf.replicas import strategy_for
from mlm_tf.traced import TracedLogits
from mlm_tf.weights import assign, export, export_gradients, specs


@final
class TensorFlowNetwork(Network):
    """A slot model. TensorFlow chooses its device.

    Attributes:
        strategy: over the devices that train it; the default one if it only predicts.
        traced: computes its logits, if it only predicts.
    """

    class_prefix = CLASS_PREFIX
    traced: TracedLogits
    _cpu = True

    def __init__(self, source: ModelSource, options: NetworkOptions) -> None:
        super().__init__(source, options)
        self.strategy = tf.distribute.get_strategy()

    def build(self) -> ParameterSpecs:
        """See `Network.build`."""
        options = self.options
        self._cpu = set_up(options.device, options.threads)
        self.ready()
        if options.training:
            self.strategy = strategy_for(options.device)
        with self.strategy.scope():
            self.model = build_model(self.source.config, self.source.name, options.seed, options.precision)
        self.traced = TracedLogits(self.model)
        return specs(self.model)

    def assign(self, weights: Weights) -> None:
        """See `Network.assign`."""
        assign(self.model, weights)

    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """See `Network.weights`."""
        return export(self.model)

    def on_cpu(self) -> bool:
        """See `Network.on_cpu`."""
        return self._cpu

    def logits(self, batch: Batch) -> NDArray[np.float32]:
        """See `Network.logits`."""
        self.ready()
        # A comparison of heads changes the model from pass to pass. Traced logits differ in rounding, and the
        # metrics of a run must not depend on how often it was resumed.
        eager = self._exact or self.options.training
        return (self.traced.eager if eager else self.traced)(_tensors(batch))

    def first_batch(self, batch: Batch) -> FirstBatch:
        """See `Network.first_batch`."""
        self.ready()
        output, gradients = self.model.loss_gradients(_tensors(batch))
        sums = MaskedSums(float(output.loss_sum), int(output.correct), int(output.masked_tokens))
        return FirstBatch(output.logits.numpy(), sums, export_gradients(self.model, gradients))

    def _allow_tf32(self, allowed: bool) -> None:
        allow_tf32(allowed)

    def _sparse_head(self, probe: Batch) -> SparseHead:
        return SparseHead.of(self.model, _tensors(probe), deep=self.options.deep_head)


def _tensors(batch: Batch) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in batch.items()}
