"""TensorFlow's training step on devices that a CPU can emulate, in its own process.

    tensorflow_worker.py DIRECTORY TEXT

Trains a few steps of a tiny model in every variant and leaves VARIANT.npz (losses, weights) in DIRECTORY, and
in `facts.json` where the variables lay, which operations a GPU has no kernel for, and what is set for GPUs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from tiny_models import write_model

from mlm_core import Config, load_engine
from mlm_core.batches.verifier import BatchVerifier
from mlm_core.model.weight_files import read_weights

STEPS = 3

engine = load_engine("tf")
engine.devices()

import tensorflow as tf  # noqa: E402 - only after the engine has prepared the process
from tensorflow.python.framework import kernels  # noqa: E402

from mlm_tf.feed import planned_dataset  # noqa: E402
from mlm_tf.machine import set_up  # noqa: E402
from mlm_tf.trainer import TensorFlowTrainer  # noqa: E402
from mlm_tf.weights import export, trained_variables  # noqa: E402

PLACES = ("/CPU:0", "/CPU:1")
CALLS_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
"""Operations that run on the host, though every device has kernels of that name."""


class Step:
    """The first step of a run, built by the trainer, on a device.

    Args:
        directory: for the run.
        config: its options.
        place: the device.
        jit: whether XLA compiles it.
    """

    def __init__(self, directory: Path, config: dict[str, Any], place: str, *, jit: bool = False) -> None:
        output = str(directory / "never-written")
        self._place = place
        self._trainer = engine.trainer(Config(output_dir=output, **config))
        assert isinstance(self._trainer, TensorFlowTrainer)
        # One replica on this device: by itself, the trainer puts one on each of the two.
        self._strategy = tf.distribute.OneDeviceStrategy(place)
        with self._strategy.scope():
            self._trainer.specs()
            self.model = self._trainer.network.model
            assert self.model.sparse_head is not None
            self.model.jit_compile = jit
            self.model.optimizer._create_all_weights(trained_variables(self.model))

    @property
    def batches(self) -> tf.data.Dataset:
        """The batches of the plan."""
        setup = self._trainer.setup
        return planned_dataset(self.model, setup.train, setup.plan.all_keys(0))

    def train(self) -> dict[str, Any]:
        """Losses `[steps]` and the final weights, through the function that `fit` calls."""
        with self._strategy.scope(), tf.device(self._place):
            step, batches = self.model.make_train_function(), iter(self.batches)
            losses = [float(step(batches)["loss"]) for _ in range(STEPS)]
        return {"losses": np.array(losses), **export(self.model)}

    def devices(self) -> list[str]:
        """The devices of the variables, including the optimizer's."""
        variables = [*trained_variables(self.model), *self.model.optimizer.variables()]
        return sorted({variable.device.rpartition("device:")[2] for variable in variables})

    def without_gpu_kernel(self) -> list[str]:
        """Operations of the traced step without a GPU kernel."""
        traced = tf.function(self.model.train_step).get_concrete_function(self.batches.element_spec)
        graph = traced.graph.as_graph_def()
        functions = {function.signature.name for function in graph.library.function}
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        return sorted({node.op for node in nodes if node.op not in functions and not _on_gpu(node)})


def _on_gpu(node: Any) -> bool:
    """Whether this build of TensorFlow has a GPU kernel for a node with its types."""
    said_by_assertion = node.op == "Const" and node.attr["dtype"].type == tf.string.as_datatype_enum
    if node.op == "Placeholder" or said_by_assertion:
        return True
    return node.op not in CALLS_PYTHON and any(
        kernel.device_type in ("GPU", "DEFAULT") and all(_meets(node, limit) for limit in kernel.constraint)
        for kernel in kernels.get_registered_kernels_for_op(node.op).kernel
    )


def _meets(node: Any, constraint: Any) -> bool:
    attribute = node.attr[constraint.name]
    types = [attribute.type] if attribute.type else list(attribute.list.type)
    return set(types) <= set(constraint.allowed_values.list.type)


def gpu_settings() -> Iterator[tuple[str, list[Any]]]:
    """For each case, the settings for a machine with two GPUs, which are mocked."""
    failing = RuntimeError("Physical devices cannot be modified after being initialized")
    for case, device, error in (("gpu", "gpu", None), ("cpu", "cpu", None), ("started", "auto", failing)):
        with (
            mock.patch("tensorflow.config.get_visible_devices", return_value=["one", "other"]),
            mock.patch("tensorflow.config.set_visible_devices") as hidden,
            mock.patch("tensorflow.config.experimental.set_memory_growth", side_effect=error) as growth,
        ):
            set_up(device, None)
        yield case, [[list(call.args) for call in calls.call_args_list] for calls in (growth, hidden)]


def main(directory: Path, text: str) -> None:
    """Run everything."""
    model = write_model(directory / "model", "roberta", dropout=0.1)
    np.savez(directory / "start.npz", **read_weights(model))
    (cpu,) = tf.config.list_physical_devices("CPU")
    # Fails if TensorFlow has started, so importing the trainer does not start it.
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * len(PLACES))
    facts: dict[str, Any] = {"settings": dict(gpu_settings())}
    facts["built_with_cuda"] = tf.test.is_built_with_cuda()
    shared = {
        "dataset": text, "model": str(model), "max_steps": STEPS, "learning_rate": 1e-3, "block_size": 16,
        "batch_size": 4, "threads": 2, "device": "cpu", "quiet": True,
    }  # fmt: skip
    for precision, micro_batches in (("bf16", 1), ("float32", 2)):
        config = shared | {"precision": precision, "gradient_accumulation_steps": micro_batches}
        plain, compiled, other = (
            Step(directory, config, PLACES[0]),
            Step(directory, config, PLACES[0], jit=True),
            Step(directory, config, PLACES[1]),
        )
        for name, step in (("plain", plain), ("compiled", compiled), ("elsewhere", other)):
            np.savez(directory / f"{name}-{precision}.npz", **step.train())
            facts[f"{name}-{precision}"] = step.devices()
        facts[f"host-{precision}"] = plain.without_gpu_kernel()
    plain.model.verifier = BatchVerifier()
    facts["host-verified"] = plain.without_gpu_kernel()
    (directory / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
