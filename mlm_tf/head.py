"""The masked-LM head on the masked positions alone."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mlm_core.sparse_head import MaskedPass


class SparseHead(MaskedPass):
    """Hands a model's head the hidden states of the masked positions only.

    The head is what comes after the main layer, whose output is gathered.
    """

    def __init__(self, model: Any) -> None:
        main = getattr(model, model.base_model_prefix)
        call = main.call

        def gathering(*arguments: Any, **options: Any) -> Any:
            output = call(*arguments, **options)
            return output if self.positions is None else self._gathered(output)

        main.call = gathering

    def _gathered(self, output: Any) -> Any:
        rows = gather_slots(output[0], self.positions)
        if isinstance(output, tuple):
            return (rows, *output[1:])
        return type(output)(**(dict(output) | {next(iter(output)): rows}))


def gather_slots(hidden: tf.Tensor, masked_positions: tf.Tensor) -> tf.Tensor:
    """Rows `[batch, slots, width]` of `[batch, length, width]` at `[batch, slots]` positions."""
    return tf.gather(hidden, masked_positions, batch_dims=1)
