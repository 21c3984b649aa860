"""Matrix products, at TensorFlow's full speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from mlm_core.config.runtime import Device
from mlm_tf.machine import allow_tf32

_DTYPES = {"float32": tf.float32, "tf32": tf.float32, "bf16": tf.bfloat16, "fp16": tf.float16}


def matmul(shapes: Sequence[tuple[int, int, int]], precision: str, device: Device) -> Callable[[], None]:
    """See `Framework.matmul`."""
    allow_tf32(precision == "tf32")
    dtype = _DTYPES[precision]
    pairs = [
        (tf.ones((rows, inner), dtype), tf.ones((inner, columns), dtype)) for rows, inner, columns in shapes
    ]

    @tf.function
    def last_elements() -> tf.Tensor:
        # One element of each product, so that none is optimized away.
        return tf.add_n([tf.cast(tf.matmul(one, other)[-1, -1], tf.float32) for one, other in pairs])

    def multiply() -> None:
        last_elements().numpy()

    return multiply
