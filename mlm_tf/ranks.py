"""Joining the other ranks, through `tf.distribute.MultiWorkerMirroredStrategy` and TF_CONFIG."""

from __future__ import annotations

import signal
import threading

import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from mlm_core.config.runtime import RuntimeConfig
from mlm_core.errors import RequestError, first_line
from mlm_core.ranks.errors import not_joined
from mlm_core.ranks.launch import Launched
from mlm_core.ranks.ranks import Gather
from mlm_tf.machine import set_up

_HEARTBEAT = 10.0
"""Seconds without a sign of life after which a rank counts as ended."""


def join(place: Launched, config: RuntimeConfig) -> tuple[tf.distribute.Strategy, Gather]:
    """Join the ranks; return their strategy, and what gathers bytes from all of them.

    Raises:
        RequestError: there is no TF_CONFIG.
        RunError: the ranks did not find each other.
    """
    if not place.workers:
        raise RequestError(
            "missing, so the TensorFlow workers cannot find each other",
            code="wrong_launch",
            option="TF_CONFIG",
            fix="start the ranks with mlm train --nproc, or set TF_CONFIG for each of them; "
            f"for one process, unset {place.by}",
        )
    set_up(config.device, place.threads(config.threads))
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if in_main}
    _set_patience(config.rank_timeout)
    on_gpu = bool(tf.config.get_visible_devices("GPU"))
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=kinds.AUTO if on_gpu else kinds.RING
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        # The first sentence; the others tell about barriers.
        reason = first_line(error).partition(". ")[0]
        raise not_joined(place.count, config.rank_timeout, reason) from None
    for number, handler in before.items():
        # TensorFlow takes SIGTERM for itself, as a notice that the machine is taken away.
        signal.signal(number, handler)
    return strategy, _gathering(strategy)


def _set_patience(seconds: float) -> None:
    """Set how long ranks wait for one that does not come (by default an hour), or no longer answers."""
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec()
    jobs = [job for job in ("chief", "worker") if job in cluster.jobs]
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{jobs[0]}/replica:0/task:0",
        cluster_register_timeout_in_ms=int(seconds * 1000),
        heartbeat_timeout_in_ms=int(min(_HEARTBEAT, seconds) * 1000),
        shutdown_barrier_timeout_in_ms=int(seconds * 1000),
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=cluster.num_tasks(job)) for job in jobs],
    )
    # Without it, a rank registers by itself, and then waits an hour for the others.
    context.context().coordination_service.cluster_register_with_barrier = True


def is_lost_rank(error: Exception) -> bool:
    """Whether an exception of TensorFlow means that another rank has ended or does not answer."""
    lost = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    )
    return isinstance(error, lost)


def _gathering(strategy: tf.distribute.Strategy) -> Gather:
    """What gathers bytes; heartbeats tell of a lost rank. Of several replicas of a rank the first speaks."""
    local = strategy.extended._num_devices_per_worker

    @tf.function(input_signature=[tf.TensorSpec([None], tf.uint8)])
    def everyone(own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def gathered(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            replicas = tf.distribute.get_replica_context()
            sizes = replicas.all_gather(tf.shape(content), axis=0)
            padded = tf.pad(content, [[0, tf.reduce_max(sizes) - tf.shape(content)[0]]])
            # Collectives have no bytes.
            return sizes, replicas.all_gather(tf.cast(padded, tf.int32)[None], axis=0)

        sizes, rows = strategy.run(gathered, args=(own,))
        return strategy.experimental_local_results(sizes)[0], strategy.experimental_local_results(rows)[0]

    def gather_bytes(content: bytes, *, soon: bool = False) -> list[bytes]:
        sizes, rows = everyone(tf.constant(np.frombuffer(content, np.uint8)))
        sizes, rows = sizes.numpy()[::local], rows.numpy()[::local].astype(np.uint8)
        return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]

    return gather_bytes
