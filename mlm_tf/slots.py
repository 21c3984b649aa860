"""The slot format: logits and loss at the masked positions of a transformers class."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from transformers.modeling_tf_utils import unpack_inputs
from transformers.utils import ModelOutput

from mlm_core.batches.masking import IGNORED
from mlm_tf.head import SparseHead, gather_slots
from mlm_tf.replicas import replica
from mlm_tf.step import TrainingStep

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


class SlotCall(TrainingStep):
    """Adds the slot format, and training with sums, to a transformers masked-LM class.

    Without `masked_positions`, labels are `[batch, length]`; without both, the class is unchanged.

    Attributes:
        verifier: records the batches received in training; None: nothing is recorded.
        sparse_head: computes logits only at the masked positions; None: at every position.
    """

    verifier: BatchVerifier | None = None
    sparse_head: SparseHead | None = None

    def _call_slots(self, inputs: dict[str, Any]) -> SlotOutput:
        """The base class's logits at the masked positions, and the sums over them."""
        positions, labels = inputs.pop("masked_positions", None), inputs.pop("labels", None)
        block_key = inputs.pop("block_key", None)
        if self.verifier is not None and inputs["training"] and block_key is not None:
            received = [inputs["input_ids"], positions, labels, block_key]
            received.append(tf.convert_to_tensor(replica()[0]))
            tf.numpy_function(self.verifier.receive, received, Tout=[], stateful=True)
        if self.sparse_head is not None:
            self.sparse_head.positions = positions
        output = super().call(**(inputs | {"return_dict": True}))  # type: ignore[misc]
        logits = output.logits
        if positions is not None and self.sparse_head is None:
            logits = gather_slots(logits, positions)
        logits = tf.cast(logits, tf.float32)
        sums = {} if labels is None else _sums(logits, labels)
        extras = {"hidden_states": output.hidden_states, "attentions": output.attentions}
        return SlotOutput(logits=logits, **sums, **extras)


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
        if self.sparse_head is not None:
            # A pass that failed may have left its positions.
            self.sparse_head.positions = None
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
