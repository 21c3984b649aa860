"""Dropout noise as a function of (seed, step, micro-batch, layer): no generator state to save."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import tensorflow as tf
import tf_keras as keras

from mlm_core.optimization.dropout import noise_key, noise_position


class DropoutKey:
    """The noise key of the forward pass that is being traced.

    Step and micro-batch are tensors; layers are numbered in the order in which they are traced.
    """

    def __init__(self, seed: int) -> None:
        self._key = noise_key(seed)
        self._position: Any = None
        self._dropouts = 0

    def advance(self, step: tf.Tensor, micro_batch: tf.Tensor) -> None:
        """Set the optimizer step and the micro-batch, int64 scalars counted from 0."""
        self._position = noise_position(tf.cast(step, tf.int64), micro_batch)
        self._dropouts = 0

    def next(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Philox's key `[1]` and counter `[2]`, uint64, for the next dropout in this forward pass."""
        self._dropouts += 1
        layer = tf.constant([self._key * 2**20 + self._dropouts], tf.uint64)
        # The lower half counts the elements.
        return layer, tf.stack([tf.constant(0, tf.uint64), tf.cast(self._position, tf.uint64)])


def keyed_dropout(
    inputs: tf.Tensor, rate: float, key: tuple[tf.Tensor, tf.Tensor], noise_shape: Any = None
) -> tf.Tensor:
    """Set a share `rate` of the floating-point inputs, of any shape, to 0 and scale the others up.

    Philox's 32 random bits are compared as integers. Converted to floats first, they would differ between XLA
    and plain TensorFlow, and in bfloat16 they are so coarse that a rate of 0.1 becomes 0.1015.
    """
    if rate == 0:
        return inputs
    philox, counter = key
    shape = tf.shape(inputs) if noise_shape is None else noise_shape
    bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, key=philox, counter=counter, alg=tf.random.Algorithm.PHILOX.value, dtype=tf.uint32
    )
    kept = bits >= tf.constant(min(round(rate * 2**32), 2**32 - 1), tf.uint32)
    return tf.where(kept, inputs / (1 - rate), tf.zeros((), inputs.dtype))


def key_dropout_layers(model: Any, key: DropoutKey) -> None:
    """Make every dropout layer of a model draw its noise with the key."""

    def dropout(inputs: tf.Tensor, rate: float, noise_shape: Any = None) -> tf.Tensor:
        return keyed_dropout(inputs, rate, key.next(), noise_shape)

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
