"""The process and the device: threads, memory."""

from __future__ import annotations

from contextlib import suppress

import tensorflow as tf

from mlm_core.errors import RunError
from mlm_core.system.machine import cores


def set_up(device: str, threads: int | None) -> bool:
    """Give TensorFlow its threads (None: as they are) and device; returns whether it computes on the CPU.

    Raises:
        RunError: TensorFlow already runs with other settings, which it cannot change.
    """
    # float32 means float32 on a GPU, too, as it does in PyTorch.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        # 0 stands for all cores. What is set already is not set again: TensorFlow may have started.
        if threads not in (None, tf.config.threading.get_intra_op_parallelism_threads() or cores()):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        if device == "cpu" and tf.config.get_visible_devices("GPU"):
            tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        raise RunError(
            "TensorFlow has started with another number of threads or another device",
            code="wrong_process",
            fix="use one setting in a process",
        ) from None
    gpus = tf.config.get_visible_devices("GPU")
    for gpu in gpus if device != "cpu" else []:
        # By itself TensorFlow takes all of a GPU's memory, which others may be using. Where it has started,
        # or the GPU is divided, somebody has decided that already.
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return not gpus
