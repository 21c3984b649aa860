"""The masked-LM head on the masked positions alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


class SparseHead:
    """Hands a model's head the hidden states of the masked positions only.

    The head is what comes after the main layer, whose output is gathered.
    """

    def __init__(self, model: Any) -> None:
        self._positions: tf.Tensor | None = None
        main = getattr(model, model.base_model_prefix)
        call = main.call

        def gathering(*arguments: Any, **options: Any) -> Any:
            output = call(*arguments, **options)
            return output if self._positions is None else self._gathered(output)

        main.call = gathering

    @contextmanager
    def at(self, positions: tf.Tensor) -> Iterator[None]:
        """While inside, the head sees `[batch, slots]` positions, and gives logits of these."""
        self._positions = positions
        try:
            yield
        finally:
            self._positions = None

    def _gathered(self, output: Any) -> Any:
        rows = gather_slots(output[0], self._positions)
        if isinstance(output, tuple):
            return (rows, *output[1:])
        return type(output)(**(dict(output) | {next(iter(output)): rows}))


def gather_slots(hidden: tf.Tensor, masked_positions: tf.Tensor) -> tf.Tensor:
    """Rows `[batch, slots, width]` of `[batch, length, width]` at `[batch, slots]` positions."""
    return tf.gather(hidden, masked_positions, batch_dims=1)
