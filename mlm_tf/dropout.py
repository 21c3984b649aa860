"""Dropout noise as a function of (seed, step, micro-batch, layer): no generator state to save."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf
import tf_keras as keras

from mlm_core.optimization.dropout import belongs_to_rows, noise_key, noise_position


@dataclass(frozen=True)
class Share:
    """One replica's rows of a micro-batch.

    Attributes:
        rows: how many, a scalar.
        first: the first one's number, int64 scalar; None: the replica has all rows.
    """

    rows: Any = 0
    first: tf.Tensor | None = None


class DropoutKey:
    """The noise key of the forward pass that is being traced.

    Step and micro-batch are tensors; layers are numbered in the order in which they are traced. The noise of
    a micro-batch does not depend on how its rows are shared out to replicas.

    Args:
        seed: the run's seed.
        heads: of the model's attention.
    """

    def __init__(self, seed: int, heads: int = 1) -> None:
        self._key = noise_key(seed)
        self._heads = heads
        self._position: Any = None
        self._share = Share()
        self._dropouts = 0

    def advance(self, step: tf.Tensor, micro_batch: tf.Tensor, share: Share | None = None) -> None:
        """Set the optimizer step and the micro-batch, int64 scalars from 0, and this replica's rows."""
        self._position = noise_position(tf.cast(step, tf.int64), micro_batch)
        self._share = share or Share()
        self._dropouts = 0

    def bits(self, shape: Any) -> tf.Tensor:
        """The noise of the next dropout in this forward pass: uint32 in a shape.

        The generator is Philox, four numbers a count. A replica draws what belongs to its rows.
        """
        self._dropouts += 1
        layer, nothing = (
            tf.constant([self._key * 2**20 + self._dropouts], tf.uint64),
            tf.constant(0, tf.int64),
        )
        if self._share.first is None:
            return self._drawn(layer, nothing, shape)
        shape = tf.cast(shape, tf.int64)
        size, rows = tf.reduce_prod(shape), tf.cast(self._share.rows, tf.int64)
        by_rows = belongs_to_rows(list(tf.unstack(shape)), rows, self._heads)
        before = tf.where(by_rows, self._share.first * (size // rows), nothing)
        # Its first number need not be the first of a count.
        drawn = self._drawn(layer, before // 4, [size + 3])
        return tf.reshape(tf.slice(drawn, [before % 4], [size]), shape)

    def _drawn(self, layer: tf.Tensor, first: tf.Tensor, shape: Any) -> tf.Tensor:
        # The lower half counts the elements.
        counter = tf.stack([tf.cast(first, tf.uint64), tf.cast(self._position, tf.uint64)])
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=shape, key=layer, counter=counter, alg=tf.random.Algorithm.PHILOX.value, dtype=tf.uint32
        )


def keyed_dropout(inputs: tf.Tensor, rate: float, key: DropoutKey, noise_shape: Any = None) -> tf.Tensor:
    """Set a share `rate` of the floating-point inputs, of any shape, to 0 and scale the others up.

    Philox's 32 random bits are compared as integers. Converted to floats first, they would differ between XLA
    and plain TensorFlow, and in bfloat16 they are so coarse that a rate of 0.1 becomes 0.1015.
    """
    if rate == 0:
        return inputs
    bits = key.bits(tf.shape(inputs) if noise_shape is None else noise_shape)
    kept = bits >= tf.constant(min(round(rate * 2**32), 2**32 - 1), tf.uint32)
    if rate >= 1:
        return tf.zeros_like(inputs)

    @tf.custom_gradient
    def dropped(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        # Products take fewer passes over memory than a choice. Between them, a byte for each value is kept.
        def scaled(values: tf.Tensor) -> tf.Tensor:
            return values * (tf.cast(kept, values.dtype) * tf.constant(1 / (1 - rate), values.dtype))

        return scaled(inputs), scaled

    return dropped(inputs)


def key_dropout_layers(model: Any, key: DropoutKey) -> None:
    """Make every dropout layer of a model draw its noise with the key."""

    def dropout(inputs: tf.Tensor, rate: float, noise_shape: Any = None) -> tf.Tensor:
        return keyed_dropout(inputs, rate, key, noise_shape)

    for layer in _dropout_holders(model):
        if isinstance(layer, keras.layers.Dropout):
            layer._random_generator.dropout = dropout
        elif type(layer).__name__.endswith("StableDropout"):
            # DeBERTa has its own dropout layers.
            layer.xdropout = partial(dropout, rate=layer.drop_prob)


def _dropout_holders(model: Any) -> Iterator[Any]:
    """Every layer, including those that Funnel keeps in a plain object, where Keras does not find them."""
    for layer in model.submodules:
        yield layer
        for held in vars(layer).values():
            if type(held).__name__ == "TFFunnelAttentionStructure":
                yield from vars(held).values()
