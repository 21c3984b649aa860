"""The slot format: logits, loss and gradients at the masked positions of a transformers class."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras as keras
from transformers.modeling_tf_utils import unpack_inputs
from transformers.utils import ModelOutput

from mlm_core.batches.masking import IGNORED
from mlm_tf.dropout import DropoutKey, Share
from mlm_tf.head import SparseHead, gather_slots
from mlm_tf.replicas import add_up, replica
from mlm_tf.weights import trained_variables

if TYPE_CHECKING:
    from mlm_core.batches.verifier import BatchVerifier


@dataclass
class SlotOutput(ModelOutput):
    """The output of `call` for inputs with masked positions or labels.

    Attributes:
        loss: `[1]` float32, the mean over the masked tokens, for a stock `fit`.
        logits: `[batch, slots, vocabulary]` float32; `[batch, length, vocabulary]` without positions.
        loss_sum: scalar float32, the sum of the token losses.
        correct: scalar int64, masked tokens whose most likely prediction is right.
        masked_tokens: scalar int64, labels that are not -100.
        hidden_states, attentions: those of the class itself, if requested.
    """

    loss: tf.Tensor | None = None
    logits: tf.Tensor | None = None
    loss_sum: tf.Tensor | None = None
    correct: tf.Tensor | None = None
    masked_tokens: tf.Tensor | None = None
    hidden_states: tuple[tf.Tensor, ...] | None = None
    attentions: tuple[tf.Tensor, ...] | None = None


class SlotCall:
    """Adds the slot format, and training with sums, to a transformers masked-LM class.

    Without `masked_positions`, labels are `[batch, length]`; without both, the class is unchanged.

    Attributes:
        verifier: records the batches received in training; None: nothing is recorded.
        sparse_head: computes logits only at the masked positions; None: at every position.
        micro_batches: micro-batches per optimizer step.
        micro_batch_rows: rows of a micro-batch, of all replicas; 0: unknown, in a stock `fit`.
        reports_sums: a training step reports its own sums, and an evaluation its sums, too. In a stock `fit`
            both report the loss alone: the mean over the masked tokens since the epoch began.
        dropout_key: keys the dropout noise.
    """

    verifier: BatchVerifier | None = None
    sparse_head: SparseHead | None = None
    micro_batches: int = 1
    micro_batch_rows: int = 0
    reports_sums: bool = False
    dropout_key: DropoutKey
    # Set by Keras.
    optimizer: Any
    __call__: Any

    def _call_slots(self, inputs: dict[str, Any]) -> SlotOutput:
        """The base class's logits at the masked positions, and the sums over them."""
        positions, labels = inputs.pop("masked_positions", None), inputs.pop("labels", None)
        block_key = inputs.pop("block_key", None)
        if self.verifier is not None and inputs["training"] and block_key is not None:
            received = [inputs["input_ids"], positions, labels, block_key]
            received.append(tf.convert_to_tensor(replica()[0]))
            tf.numpy_function(self.verifier.receive, received, Tout=[], stateful=True)
        sparse = self.sparse_head if positions is not None else None
        with sparse.at(positions) if sparse is not None else nullcontext():
            output = super().call(**(inputs | {"return_dict": True}))  # type: ignore[misc]
        logits = output.logits
        if positions is not None and sparse is None:
            logits = gather_slots(logits, positions)
        logits = tf.cast(logits, tf.float32)
        sums = {} if labels is None else _sums(logits, labels)
        extras = {"hidden_states": output.hidden_states, "attentions": output.attentions}
        return SlotOutput(logits=logits, **sums, **extras)

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
    ) -> tuple[SlotOutput, list[tf.Tensor]]:
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


def slot_class(base: type) -> type:
    """Derive a class with the slot format from a transformers masked-LM class, under the same name."""
    signature = inspect.signature(base.call)  # type: ignore[attr-defined]
    keyword = inspect.Parameter.KEYWORD_ONLY
    names = [name for name in ("labels", "masked_positions", "block_key") if name not in signature.parameters]
    added = [inspect.Parameter(name, keyword, default=None) for name in names]

    def call(self: Any, input_ids: Any = None, **inputs: Any) -> Any:
        inputs["input_ids"] = input_ids
        if inputs.get("masked_positions") is not None or inputs.get("labels") is not None:
            return self._call_slots(inputs)
        for parameter in added:
            inputs.pop(parameter.name, None)
        return super(slotted, self).call(**inputs)

    # transformers and Keras match the entries of a batch to the signature, so it must name them all.
    own = [
        parameter for parameter in signature.parameters.values() if parameter.kind != parameter.VAR_KEYWORD
    ]
    call.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    content = {"__module__": base.__module__, "call": unpack_inputs(call)}
    slotted: Any = type(base.__name__, (SlotCall, base), content)
    return slotted


def _as_inputs(data: Any) -> dict[str, tf.Tensor]:
    inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    return inputs | {"labels": labels} if labels is not None else dict(inputs)


def _sums(logits: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
    known = labels != IGNORED
    wanted = tf.where(known, labels, 0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=logits)
    loss_sum = tf.reduce_sum(tf.where(known, losses, 0.0))
    masked_tokens = tf.math.count_nonzero(known)
    right = tf.argmax(logits, -1, output_type=wanted.dtype) == wanted
    loss = loss_sum / tf.cast(tf.maximum(masked_tokens, 1), tf.float32)
    return {
        "loss": tf.reshape(loss, [1]),
        "loss_sum": loss_sum,
        "correct": tf.math.count_nonzero(right & known),
        "masked_tokens": masked_tokens,
    }
