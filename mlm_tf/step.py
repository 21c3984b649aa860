"""The training step in Keras `fit`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from mlm_core.batches.masking import IGNORED
from mlm_tf.dropout import DropoutKey, Share
from mlm_tf.replicas import add_up, replica
from mlm_tf.weights import trained_variables


class TrainingStep:
    """Adds training and evaluation with sums, not means of means, to a Keras model with the slot format.

    Attributes:
        micro_batches: micro-batches per optimizer step.
        micro_batch_rows: rows of a micro-batch, of all replicas; 0: unknown, in a stock `fit`.
        reports_sums: a training step reports its own sums, and an evaluation its sums, too. In a stock `fit`
            both report the loss alone: the mean over the masked tokens since the epoch began.
        dropout_key: keys the dropout noise.
    """

    micro_batches: int = 1
    micro_batch_rows: int = 0
    reports_sums: bool = False
    dropout_key: DropoutKey
    # Set by Keras.
    optimizer: Any
    __call__: Any

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Train on a global batch, micro-batch by micro-batch; all its masked tokens divide the loss.

        Each replica has its rows of every micro-batch; counts, sums and gradients are added up over replicas.
        """
        batch = _as_inputs(data)
        count = add_up(tf.math.count_nonzero(batch["labels"] != IGNORED))
        divisor = tf.cast(tf.maximum(count, 1), tf.float32)
        if self.micro_batches == 1:
            loss_sum, correct, gradients = self._micro_step(batch, divisor, tf.constant(0, tf.int64))
        else:
            loss_sum, correct, gradients = self._accumulate(batch, divisor)
        gradients, loss_sum = add_up((gradients, loss_sum))
        # Tensors of one dtype travel together.
        correct = add_up(correct)
        self.optimizer.apply_gradients(zip(gradients, trained_variables(self), strict=True))
        if not self.reports_sums:
            return {"loss": self._add_to_totals(loss_sum, correct, count)["loss"]}
        shown = {"loss": loss_sum / divisor, "loss_sum": loss_sum, "correct": correct, "masked_tokens": count}
        norm = getattr(self.optimizer, "grad_norm", None)
        return shown if norm is None else shown | {"grad_norm": norm}

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate a batch; the sums accumulate until Keras resets them."""
        output = self(_as_inputs(data), training=False)
        shown = self._add_to_totals(output.loss_sum, output.correct, output.masked_tokens)
        # Keras's own callbacks watch it as val_loss, and the guide takes the exponential of what `evaluate`
        # returns, which is a number if there is only one.
        return shown if self.reports_sums else {"loss": shown["loss"]}

    def _add_to_totals(self, *sums: tf.Tensor) -> dict[str, tf.Tensor]:
        for total, more in zip(self.totals, sums, strict=True):
            total.update_state(more)
        shown = {total.name: total.result() for total in self.totals}
        count = tf.maximum(shown["masked_tokens"], 1)
        return {"loss": shown["loss_sum"] / tf.cast(count, shown["loss_sum"].dtype), **shown}

    @property
    def totals(self) -> list[Any]:
        """The sums since an epoch or an evaluation began, as Keras metrics."""
        if "_totals" not in self.__dict__:
            # Bypasses Keras's __setattr__, which would track the metrics and save them as weights.
            self.__dict__["_totals"] = [
                keras.metrics.Sum(name="loss_sum", dtype=tf.float64),
                keras.metrics.Sum(name="correct", dtype=tf.int64),
                keras.metrics.Sum(name="masked_tokens", dtype=tf.int64),
            ]
        return self.__dict__["_totals"]

    @property
    def metrics(self) -> list[Any]:
        """Keras resets these before each epoch and each evaluation."""
        return [*super().metrics, *self.totals]  # type: ignore[misc]

    def loss_gradients(
        self, batch: dict[str, tf.Tensor], divisor: tf.Tensor | None = None, *, training: bool = False
    ) -> tuple[Any, list[tf.Tensor]]:
        """The output, and dense gradients of `loss_sum / divisor` (None: the batch's masked tokens)."""
        with tf.GradientTape() as tape:
            output = self(batch, training=training)
            loss = output.loss if divisor is None else output.loss_sum / divisor
            scale = getattr(self.optimizer, "loss_scale", None)
            if training and scale is not None:
                loss *= scale
        unused = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, trained_variables(self), unconnected_gradients=unused)
        # Dense: slices of the same row must be summed, because the norm of separate slices is too small.
        return output, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def _micro_step(self, batch: dict[str, tf.Tensor], divisor: tf.Tensor, micro_batch: tf.Tensor) -> Any:
        self.dropout_key.advance(self.optimizer.iterations, micro_batch, self._share(batch))
        output, gradients = self.loss_gradients(batch, divisor, training=True)
        return output.loss_sum, output.correct, gradients

    def _share(self, batch: dict[str, tf.Tensor]) -> Share:
        number, count = replica()
        if count == 1 or not self.micro_batch_rows:
            return Share()
        # As `rows_of` of the core; the number may be a tensor.
        first = tf.cast(number, tf.int64) * self.micro_batch_rows // count
        return Share(tf.shape(batch["labels"], tf.int64)[0], first)

    def _accumulate(self, batch: dict[str, tf.Tensor], divisor: tf.Tensor) -> Any:
        # Reshaped, not sliced: XLA must know the number of rows of a micro-batch.
        parts = {
            name: tf.reshape(tensor, tf.concat([[self.micro_batches, -1], tf.shape(tensor)[1:]], axis=0))
            for name, tensor in batch.items()
        }

        def add(index: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor, *sums: tf.Tensor) -> Any:
            part = {name: tensor[index] for name, tensor in parts.items()}
            more, right, gradients = self._micro_step(part, divisor, tf.cast(index, tf.int64))
            summed = [total + gradient for total, gradient in zip(sums, gradients, strict=True)]
            return index + 1, loss + more, correct + right, *summed

        zeros = [tf.zeros_like(variable) for variable in trained_variables(self)]
        start = (tf.constant(0), tf.constant(0.0), tf.constant(0, tf.int64), *zeros)
        # One micro-batch at a time: in parallel they would need the memory of the whole batch.
        _, loss_sum, correct, *gradients = tf.while_loop(
            lambda index, *_: index < self.micro_batches, add, start, parallel_iterations=1
        )
        return loss_sum, correct, gradients


def _as_inputs(data: Any) -> dict[str, tf.Tensor]:
    inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    return inputs | {"labels": labels} if labels is not None else dict(inputs)
