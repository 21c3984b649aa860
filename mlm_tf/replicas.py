"""The model in several replicas: one on each device of each rank, with summed gradients (`tf.distribute`)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mlm_core.config.runtime import Device

_joined: list[tf.distribute.Strategy] = []
"""The strategy over all ranks, once this process has joined them: TensorFlow allows one a process."""


def keep_joined(strategy: tf.distribute.Strategy) -> None:
    """Keep the strategy over all ranks."""
    _joined.append(strategy)


def strategy_for(device: Device) -> tf.distribute.Strategy:
    """The strategy that trains: the one in scope, else over all ranks, else over this machine's devices.

    Several devices are several GPUs, or processors that TensorFlow was told to split into logical devices.
    """
    current = tf.distribute.get_strategy()
    if tf.distribute.has_strategy() or (not _joined and len(_devices(device)) < 2):
        return current
    if _joined:
        return _joined[0]
    kind = "GPU" if device != "cpu" and tf.config.get_visible_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([logical.name for logical in tf.config.list_logical_devices(kind)])


def replicas_for(device: Device) -> int:
    """The replicas of `strategy_for`; TensorFlow is not started for it."""
    if tf.distribute.has_strategy():
        return int(tf.distribute.get_strategy().num_replicas_in_sync)
    return int(_joined[0].num_replicas_in_sync) if _joined else max(1, len(_devices(device)))


def _devices(device: Device) -> list[Any]:
    gpus = tf.config.get_visible_devices("GPU") if device != "cpu" else []
    if gpus:
        return list(gpus)
    (processor, *_) = tf.config.list_physical_devices("CPU")
    return list(tf.config.get_logical_device_configuration(processor) or [processor])


def replica() -> tuple[Any, int]:
    """Which replica a step is traced for, a number or a scalar tensor, and of how many."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, int(context.num_replicas_in_sync)


def add_up(tensors: Any) -> Any:
    """The sums over all replicas of tensors of one dtype, in the same structure."""
    if replica()[1] == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)
