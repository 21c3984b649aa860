"""The sparse head: the masked-LM head and the end of the last layer, only at the masked positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from mlm_core.model.sparse_head import MaskedPass


class SparseHead(MaskedPass):
    """Passes only the hidden states of the masked positions to a model's head.

    The head is everything after the main layer; the main layer's output is gathered.
    """

    def __init__(self, model: Any) -> None:
        main = getattr(model, model.base_model_prefix)
        call = main.call

        def gathering(*arguments: Any, **options: Any) -> Any:
            output = call(*arguments, **options)
            positions = self.take()
            return output if positions is None else _first_gathered(output, positions)

        main.call = gathering

    @classmethod
    def of(cls, model: Any, batch: Mapping[str, tf.Tensor], *, deep: bool = True) -> Self:
        """Find the head of a model by forward passes on a batch.

        Args:
            model: a slot model.
            batch: a batch like those of training, with two rows or more.
            deep: begin within the last layer if the model allows it.
        """
        head = cls(model)
        if deep:
            places = _last_layer(model, lambda: _logits(model, batch))
            head.begin_earlier(model, places, lambda: _logits(model, batch))
        return head

    def _gather_at(self, place: Any) -> Callable[[], None]:
        call = place.call

        def gathering(hidden: tf.Tensor, *arguments: Any, **options: Any) -> Any:
            positions = self.take()
            if positions is None:
                return call(hidden, *arguments, **options)

            def gathered(argument: Any) -> Any:
                # Tensors that are added to the hidden states must be gathered as well.
                return gather_slots(argument, positions) if _is_like(argument, hidden) else argument

            others = {name: gathered(value) for name, value in options.items()}
            return call(gathered(hidden), *map(gathered, arguments), **others)

        return _replace_call(place, gathering)


def gather_slots(hidden: tf.Tensor, masked_positions: tf.Tensor) -> tf.Tensor:
    """Rows `[batch, slots, width]` of `[batch, length, width]` at `[batch, slots]` positions."""
    return tf.gather(hidden, masked_positions, batch_dims=1)


def _logits(model: Any, batch: Mapping[str, tf.Tensor]) -> NDArray[np.float32]:
    return model(dict(batch), training=False).logits.numpy()


def _first_gathered(output: Any, positions: tf.Tensor) -> Any:
    rows = gather_slots(output[0], positions)
    if isinstance(output, tuple):
        return (rows, *output[1:])
    return type(output)(**(dict(output) | {next(iter(output)): rows}))


def _is_like(argument: Any, hidden: tf.Tensor) -> bool:
    if not tf.is_tensor(argument) or argument.shape.rank != 3:
        return False
    return argument.shape[:2].as_list() == hidden.shape[:2].as_list()


def _replace_call(layer: Any, call: Callable[..., Any]) -> Callable[[], None]:
    """Replace a layer's `call`; return a function that restores it."""
    before = layer.call
    layer.call = call

    def undo() -> None:
        layer.call = before

    return undo


def _last_layer(model: Any, run: Callable[[], Any]) -> list[Any]:
    """The layers within the encoder's last layer that receive hidden states, in the order of their calls."""
    main = getattr(model, model.base_model_prefix)
    lists = [
        held
        for part in (main, *main.submodules)
        for name, held in vars(part).items()
        # Names with an underscore are Keras's own lists.
        if isinstance(held, list) and not name.startswith("_")
    ]
    longest = max(lists, key=len, default=[])
    if not longest or not isinstance(longest[-1], keras.layers.Layer):
        return []
    called: list[Any] = []
    undo = [_noted(layer, called) for layer in (longest[-1], *longest[-1].submodules)]
    try:
        run()
    finally:
        for end in undo:
            end()
    return called


def _noted(layer: Any, called: list[Any]) -> Callable[[], None]:
    call = layer.call

    def noting(hidden: Any, *arguments: Any, **options: Any) -> Any:
        called.append(layer)
        return call(hidden, *arguments, **options)

    return _replace_call(layer, noting)
