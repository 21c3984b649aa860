"""AdamW with clipping, and the learning rates of the core's table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray
from transformers import AdamWeightDecay

from mlm_core.config.optimization import OptimizationConfig
from mlm_core.optimization.adamw import BETA_1, BETA_2, CLIP_EPSILON, EPSILON
from mlm_core.optimization.decay import is_decayed
from mlm_tf.replicas import replica


class TableSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Looks up the learning rate of each step; after the table its last rate stays."""

    def __init__(self, table: NDArray[np.float32]) -> None:
        self._table = np.asarray(table, dtype=np.float32)

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of a step, counted from 0, as a float32 scalar."""
        last = len(self._table) - 1
        return tf.gather(tf.constant(self._table), tf.minimum(tf.cast(step, tf.int32), last))

    def get_config(self) -> dict[str, Any]:
        """The table in Keras's format."""
        return {"table": self._table.tolist()}


_REPLICA = re.compile(r"/replica_\d+(?=:)")


class ClippedAdamWeightDecay(AdamWeightDecay):
    """`AdamWeightDecay` with the clipping and the epsilon of PyTorch's AdamW, and decay by canonical name.

    Stock `AdamWeightDecay` computes the global norm before it sums repeated embedding rows, and adds epsilon
    before the second moment's bias correction.

    Attributes:
        grad_norm: scalar float32 variable, the norm before clipping.
        max_grad_norm: 0: gradients are not clipped.
        loss_scale: gradients are divided by it first; a step where they are not finite only counts. None: no
            scale.
    """

    loss_scale: tf.Variable | None = None

    def __init__(
        self,
        learning_rate: Any,
        *,
        weight_decay_rate: float,
        max_grad_norm: float,
        canonical_names: Mapping[str, str],
    ) -> None:
        super().__init__(learning_rate, BETA_1, BETA_2, EPSILON, weight_decay_rate=weight_decay_rate)
        self.max_grad_norm = max_grad_norm
        self.grad_norm = tf.Variable(
            0.0,
            trainable=False,
            name="grad_norm",
            # Every replica assigns the same.
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._canonical_names = dict(canonical_names)

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, tf.Variable]], name: str | None = None, **kwargs: Any
    ) -> Any:
        """Clip, then update. Of several replicas each has the sums of their gradients already."""
        kwargs["experimental_aggregate_gradients"] = False
        gradients, variables = zip(*grads_and_vars, strict=True)
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self.loss_scale is None:
            norm = self.grad_norm.assign(tf.linalg.global_norm(dense))
            return self._update(dense, variables, norm, name=name, **kwargs)
        dense = [gradient / self.loss_scale for gradient in dense]
        norm = self.grad_norm.assign(tf.linalg.global_norm(dense))

        def update(dense: list[tf.Tensor], norm: tf.Tensor) -> tf.Operation:
            return tf.group(self._update(dense, variables, norm, name=name, **kwargs))

        if replica()[1] == 1:
            return self._if_finite(norm, lambda: update(dense, norm))

        def over_all(strategy: Any, dense: Any, norms: Any) -> tf.Operation:
            # A branch of one replica may not change the variables of all; a branch around all replicas may.
            # The norm is the same in each.
            every = strategy.extended.call_for_each_replica
            (first, *_) = strategy.experimental_local_results(norms)
            return self._if_finite(first, lambda: strategy.group(every(update, args=(dense, norms))))

        return tf.distribute.get_replica_context().merge_call(over_all, args=(dense, norm))

    def _if_finite(self, norm: tf.Tensor, update: Callable[[], tf.Operation]) -> tf.Operation:
        """Update if the norm is finite; else the step only counts."""
        return tf.cond(tf.math.is_finite(norm), update, lambda: tf.group(self.iterations.assign_add(1)))

    def scale_loss(self, value: float) -> None:
        """Set the loss scale; it is a variable, so that the step is not traced again."""
        if self.loss_scale is None:
            self.loss_scale = tf.Variable(value, trainable=False, name="loss_scale")
        else:
            self.loss_scale.assign(value)

    def _update(
        self, dense: list[tf.Tensor], variables: Iterable[tf.Variable], norm: tf.Tensor, **kwargs: Any
    ) -> Any:
        if self.max_grad_norm > 0:
            scale = tf.minimum(self.max_grad_norm / (norm + CLIP_EPSILON), 1.0)
            dense = [gradient * scale for gradient in dense]
        return super().apply_gradients(zip(dense, variables, strict=True), **kwargs)

    def _prepare_local(self, var_device: str, var_dtype: Any, apply_state: Any) -> None:
        super()._prepare_local(var_device, var_dtype, apply_state)
        local = apply_state[(var_device, var_dtype)]
        # Keras folds both bias corrections into the rate, so epsilon would miss the second correction.
        local["epsilon"] *= tf.sqrt(1.0 - local["beta_2_power"])

    def _decay_weights_op(self, var: tf.Variable, learning_rate: tf.Tensor, apply_state: Any) -> tf.Operation:
        # As in PyTorch: one product. Keras's way is three passes over the weights.
        if not self._do_use_weight_decay(var.name):
            return tf.no_op()
        return var.assign(var * (1.0 - learning_rate * self.weight_decay_rate))

    def _do_use_weight_decay(self, param_name: str) -> bool:
        # A replica's copy of a variable has a name of its own.
        name = _REPLICA.sub("", param_name)
        return self.weight_decay_rate != 0 and is_decayed(self._canonical_names[name])


def build_optimizer(
    names: Mapping[str, str], config: OptimizationConfig, table: NDArray[np.float32]
) -> ClippedAdamWeightDecay:
    """Make the optimizer of a model, given the canonical names of its variables."""
    return ClippedAdamWeightDecay(
        TableSchedule(table),
        weight_decay_rate=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        canonical_names=names,
    )
