"""The process: threads, device, memory."""

from __future__ import annotations

from contextlib import suppress

import tensorflow as tf

from mlm_core.errors import RunError
from mlm_core.system.machine import cores


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products of a GPU may be TF32; by default TensorFlow allows it."""
    tf.config.experimental.enable_tensor_float_32_execution(allowed)


def set_up(device: str, threads: int | None) -> bool:
    """Set TensorFlow's threads (None: unchanged) and device; return whether it computes on the CPU.

    Raises:
        RunError: TensorFlow already runs with other settings and cannot change them.
    """
    try:
        # 0 means all cores. An equal value is not set again: TensorFlow may have started.
        if threads not in (None, tf.config.threading.get_intra_op_parallelism_threads() or cores()):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        if device == "cpu" and tf.config.get_visible_devices("GPU"):
            tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        raise RunError(
            "TensorFlow has started with another number of threads or another device",
            code="wrong_process",
            fix="use one setting per process",
        ) from None
    gpus = tf.config.get_visible_devices("GPU")
    for gpu in gpus if device != "cpu" else []:
        # By default TensorFlow allocates all GPU memory, which others may need. If TensorFlow has started, or
        # the GPU is partitioned, memory growth is already decided.
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return not gpus
