"""The TensorFlow engine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from mlm_core.compat.transformers import ignore_accelerate
from mlm_core.config.runtime import Device, RuntimeConfig
from mlm_core.engine import Engine
from mlm_core.hub.model_files import H5
from mlm_core.network import Network
from mlm_core.ranks.launch import Launched
from mlm_core.ranks.ranks import Gather
from mlm_core.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from mlm_core.training.setup import TrainingSetup


@final
class TensorFlowEngine(Engine):
    """Trains with Keras `fit`."""

    name = "tf"
    modules = ("tensorflow", "tf_keras")
    packages = ("tensorflow", "tf-keras")
    # From version 5 on transformers has no TensorFlow classes.
    needs = MappingProxyType({"transformers": "<5"})
    install = "pip install 'mlm[tf]'"
    # transformers 4 imports every installed framework unless these say otherwise, and its TensorFlow
    # classes need tf_keras.
    environment = MappingProxyType(
        {"USE_TF": "1", "USE_TORCH": "0", "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    transformers_check = "is_tf_available"
    writes_h5 = True

    def prepare_process(self) -> None:
        """See `Framework.prepare_process`."""
        super().prepare_process()
        ignore_accelerate()

    def devices(self) -> list[str]:
        """See `Framework.devices`."""
        with _silent_import():
            import tensorflow as tf

            return ["cpu", "gpu"] if tf.config.list_physical_devices("GPU") else ["cpu"]

    def gpus(self) -> list[str]:
        """See `Framework.gpus`."""
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        return [str(details(gpu).get("device_name", "GPU")) for gpu in tf.config.list_physical_devices("GPU")]

    def collectives(self) -> str:
        """See `Framework.collectives`."""
        return "gRPC and NCCL" if self.gpus() else "gRPC"

    def device_name(self, device: Device) -> str:
        """See `Framework.device_name`."""
        import tensorflow as tf

        gpus = tf.config.get_visible_devices("GPU") if device != "cpu" else []
        if not gpus:
            return super().device_name(device)
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))

    def device_memory(self) -> float | None:
        """See `Framework.device_memory`."""
        import tensorflow as tf

        if not tf.config.list_logical_devices("GPU"):
            return None
        return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 1e6

    def _has_fast_bf16(self) -> bool:
        import tensorflow as tf

        (gpu, *_) = tf.config.list_physical_devices("GPU")
        # Ampere (compute capability 8.0) is NVIDIA's first generation with bfloat16.
        return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) >= (8, 0)

    def _is_memory_error(self, error: Exception) -> bool:
        import tensorflow as tf

        return isinstance(error, tf.errors.ResourceExhaustedError)

    def _is_lost_rank(self, error: Exception) -> bool:
        from mlm_tf.ranks import is_lost_rank

        return is_lost_rank(error)

    def replicas(self, device: Device) -> int:
        """See `Framework.replicas`: each rank has one for each of its devices."""
        with _silent_import():
            from mlm_tf.replicas import replicas_for

        return replicas_for(device)

    def _gather_bytes(self, place: Launched, config: RuntimeConfig) -> Gather:
        with _silent_import():
            from mlm_tf.ranks import join
            from mlm_tf.replicas import keep_joined

            strategy, gather_bytes = join(place, config)
        keep_joined(strategy)
        return gather_bytes

    def matmul(
        self, shapes: Sequence[tuple[int, int, int]], precision: str, device: Device
    ) -> Callable[[], None]:
        """See `Framework.matmul`."""
        from mlm_tf.matmul import matmul

        return matmul(shapes, precision, device)

    def train_hf_recipe(self, setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
        """See `Engine.train_hf_recipe`."""
        from mlm_tf.hf_recipe import train_hf_recipe

        train_hf_recipe(setup, step_done)

    def write_h5(self, directory: Path) -> None:
        """See `Framework.write_h5`."""
        model = self.predictor(directory, device="cpu", quiet=True).model()
        from mlm_tf.weights import write_h5

        write_h5(model, directory / H5)

    def _network_class(self) -> type[Network]:
        with _silent_import():
            from mlm_tf.network import TensorFlowNetwork

        return TensorFlowNetwork

    def _trainer_class(self) -> type[Trainer]:
        with _silent_import():
            from mlm_tf.trainer import TensorFlowTrainer

        return TensorFlowTrainer


@contextlib.contextmanager
def _silent_import() -> Iterator[None]:
    """Redirect file descriptor 2 to /dev/null during the first import of TensorFlow.

    Its start-up messages come from C++ before any log level is read. The descriptor is restored before Python
    writes the traceback of a failed import.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
