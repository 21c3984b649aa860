"""mlm parity: two engines, and one that is wrong on purpose."""

import json
import os
import subprocess
import sys

import pytest
from command_line import register
from tiny_models import write_model

from mlm_core.__main__ import main

STEPS = 8

WRONG_ENGINE = """
from mlm_torch.engine import TorchEngine

class Engine(TorchEngine):
    name = "wrong"
    def _trainer_class(self):
        import mlm_torch.optimizer
        mlm_torch.optimizer.EPSILON = 1e-4
        return super()._trainer_class()
"""

BROKEN_ENGINE = """
from mlm_torch.engine import TorchEngine

class Engine(TorchEngine):
    name = "broken"
    def _trainer_class(self):
        raise RuntimeError("no such thing")
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("packages")
    register(directory, "wrong", WRONG_ENGINE)
    register(directory, "broken", BROKEN_ENGINE)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), "bert")


def parity(packages, model, jsonl, *words):
    command = [sys.executable, "-m", "mlm_core", "parity", "--dataset", str(jsonl), "--model", str(model)]
    command += ["--block-size", "16", "--batch-size", "8", "--max-steps", str(STEPS), "--threads", "2"]
    command += ["--gradient-accumulation-steps", "2", "--learning-rate", "1e-3", "--device", "cpu", *words]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(packages)},
        check=False,
    )


def test_the_engines_agree(packages, model, jsonl):
    done = parity(packages, model, jsonl, "--json", "--backends", "tf,pytorch")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["backends"] == ["tf", "torch"] and results["agrees"]
    found = {finding["name"]: finding for finding in results["findings"]}
    assert found["batches received"]["detail"] == f"{STEPS} of {STEPS} the same"
    assert {name: finding["tolerance"] for name, finding in found.items() if finding["tolerance"] > 0} == {
        "first loss": 1e-4,
        "logits": 1e-4,
        "gradients": 1e-4,
        f"losses of {STEPS} steps": 1e-4,
        "gradient norms": 1e-4,
        "held-out losses": 1e-4,
        "held-out accuracy": 0.005,
        "total update": 1e-3,
    }


def test_an_optimizer_that_differs_is_found(packages, model, jsonl):
    done = parity(packages, model, jsonl, "--backends", "torch,wrong")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-2] == f"torch and wrong DIFFER, first in: losses of {STEPS} steps"
    assert "the optimizer" in lines[-1]
    marked = [line[2:].split("  ")[0] for line in lines if line.startswith("! ")]
    assert {f"losses of {STEPS} steps", "held-out losses", "total update"} <= set(marked)
    assert not {"batches received", "starting weights", "first loss", "logits", "gradients"} & set(marked)


def test_an_engine_that_fails_is_named(packages, model, jsonl):
    done = parity(packages, model, jsonl, "--backends", "broken,torch")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "mlm: error: broken: its process ended (RuntimeError: no such thing)"
    )


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--dropout", "0.1"], "--dropout"),
        (["--backends", "torch"], "--backends"),
        (["--backends", "torch,pytorch"], "--backends"),
        (["--backends", "torch,jax"], "--backend"),
        (["--dataset", "nowhere.jsonl"], "--dataset"),
        (["--output-dir", "run"], "--output-dir"),
    ],
)
def test_wrong_requests(words, option, capsys):
    assert main(["parity", "--json", *words]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["option"] == option
