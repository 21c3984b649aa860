"""In the place of a GPU: TensorFlow's training step under XLA, on a second device, and as a graph."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SIDE = Path(__file__).parent / "tensorflow_side.py"
PRECISIONS = ("float32", "bf16")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, jsonl):
    """The directory that `tensorflow_side.py` has filled."""
    directory = tmp_path_factory.mktemp("devices")
    path = os.pathsep.join(filter(None, [str(SIDE.parents[1]), os.getenv("PYTHONPATH")]))
    command = [sys.executable, str(SIDE), str(directory), str(jsonl)]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-20_000:]
    return directory


@pytest.fixture(scope="module")
def facts(outcomes):
    return json.loads((outcomes / "facts.json").read_text())


def arrays(outcomes, name):
    """The losses, and how far training has moved every parameter but the keys' biases, as one vector."""
    with np.load(outcomes / f"{name}.npz") as found, np.load(outcomes / "start.npz") as start:
        # A key's bias has no gradient but rounding noise.
        names = [name for name in start if not name.endswith("key.bias")]
        return found["losses"], np.concatenate([(found[name] - start[name]).ravel() for name in names])


@pytest.mark.parametrize(
    ("precision", "first", "later", "update"),
    # Adam makes whole steps of small gradients, so of their rounding in bfloat16, too.
    [("float32", 1e-5, 1e-5, 1e-4), ("bf16", 1e-4, 1e-3, 0.15)],
)
def test_xla_compiles_the_step_and_it_is_the_same(outcomes, precision, first, later, update):
    """Dropout is on, so its noise is the same, too; in float32 gradients are accumulated."""
    losses, moved = arrays(outcomes, f"plain-{precision}")
    of_xla, moved_by_xla = arrays(outcomes, f"compiled-{precision}")
    assert np.linalg.norm(moved) > 0.1
    assert of_xla[0] == pytest.approx(losses[0], rel=first)
    assert of_xla == pytest.approx(losses, rel=later)
    assert np.linalg.norm(moved_by_xla - moved) < update * np.linalg.norm(moved)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_step_runs_where_its_variables_lie(outcomes, facts, precision):
    """On the second of two devices, with the same outcome bit for bit."""
    assert facts[f"plain-{precision}"] == ["CPU:0"]
    assert facts[f"elsewhere-{precision}"] == ["CPU:1"]
    losses, moved = arrays(outcomes, f"plain-{precision}")
    elsewhere, moved_elsewhere = arrays(outcomes, f"elsewhere-{precision}")
    assert (losses == elsewhere).all() and (moved == moved_elsewhere).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_in_the_step_needs_the_host(facts, precision):
    """By the kernels of a TensorFlow built for CUDA, types included: no Python, no strings, no printing."""
    if not facts["built_with_cuda"]:
        pytest.skip("this TensorFlow is built without CUDA, so it cannot tell what a GPU has kernels for")
    assert facts[f"host-{precision}"] == []
    # That would be seen.
    assert facts["host-verified"] == ["PyFunc"]


def test_a_gpus_memory_is_shared(facts):
    """Memory growth is set for each GPU, where TensorFlow has not started; for the CPU they are hidden."""
    settings = facts["settings"]
    assert settings["gpu"] == [[["one", True], ["other", True]], []]
    assert settings["cpu"] == [[], [[[], "GPU"]]]
    assert settings["started"] == settings["gpu"]
