"""Instead of a GPU: TensorFlow's training step with XLA, on a second device, and as a graph."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WORKER = Path(__file__).parent / "tensorflow_worker.py"
PRECISIONS = ("float32", "bf16")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, jsonl):
    """The output directory of `tensorflow_worker.py`."""
    directory = tmp_path_factory.mktemp("devices")
    path = os.pathsep.join(filter(None, [str(WORKER.parents[1]), os.getenv("PYTHONPATH")]))
    command = [sys.executable, str(WORKER), str(directory), str(jsonl)]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-20_000:]
    return directory


@pytest.fixture(scope="module")
def facts(outcomes):
    return json.loads((outcomes / "facts.json").read_text())


def arrays(outcomes, name):
    """The losses, and the change of all parameters but the keys' biases, as one vector."""
    with np.load(outcomes / f"{name}.npz") as found, np.load(outcomes / "start.npz") as start:
        # The gradient of a key's bias is only rounding noise.
        names = [name for name in start if not name.endswith("key.bias")]
        return found["losses"], np.concatenate([(found[name] - start[name]).ravel() for name in names])


@pytest.mark.parametrize(
    ("precision", "first", "later", "update"),
    # Adam scales small gradients up, and so their rounding in bfloat16.
    [("float32", 1e-5, 1e-5, 1e-4), ("bf16", 1e-4, 1e-3, 0.15)],
)
def test_xla_compiles_the_step_and_it_is_the_same(outcomes, precision, first, later, update):
    """Dropout is on, so its noise is the same as well; in float32, gradients are accumulated."""
    losses, moved = arrays(outcomes, f"plain-{precision}")
    of_xla, moved_by_xla = arrays(outcomes, f"compiled-{precision}")
    assert np.linalg.norm(moved) > 0.1
    assert of_xla[0] == pytest.approx(losses[0], rel=first)
    assert of_xla == pytest.approx(losses, rel=later)
    assert np.linalg.norm(moved_by_xla - moved) < update * np.linalg.norm(moved)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_step_runs_where_its_variables_lie(outcomes, facts, precision):
    """On the second of two devices, with the same result bit for bit."""
    assert facts[f"plain-{precision}"] == ["CPU:0"]
    assert facts[f"elsewhere-{precision}"] == ["CPU:1"]
    losses, moved = arrays(outcomes, f"plain-{precision}")
    elsewhere, moved_elsewhere = arrays(outcomes, f"elsewhere-{precision}")
    assert (losses == elsewhere).all() and (moved == moved_elsewhere).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_in_the_step_needs_the_host(facts, precision):
    """Checked with the kernels and types of a TensorFlow built for CUDA: no Python, strings or printing."""
    if not facts["built_with_cuda"]:
        pytest.skip("this TensorFlow is built without CUDA, so it does not know the GPU kernels")
    assert facts[f"host-{precision}"] == []
    # The check finds Python calls.
    assert facts["host-verified"] == ["PyFunc"]


def test_a_gpus_memory_is_shared(facts):
    """Memory growth is set for each GPU, unless TensorFlow has started; for the CPU, GPUs are hidden."""
    settings = facts["settings"]
    assert settings["gpu"] == [[["one", True], ["other", True]], []]
    assert settings["cpu"] == [[], [[[], "GPU"]]]
    assert settings["started"] == settings["gpu"]
