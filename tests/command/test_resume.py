"""Runs that are killed and go on: the same bytes as a run that was never killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from file_kinds import ANSWERS, SAMPLE
from tiny_models import write_model

STEPS, SAVE = 60, 7
"""Several epochs, the last one in part; checkpoints in the middle of each."""


class Runs:
    """Runs of one engine that differ in their directory only."""

    def __init__(self, backend: str, directory: Path) -> None:
        self.directory = directory
        model = write_model(directory / "model", "roberta", dropout=0.2)
        words = ["--dataset", SAMPLE, "--text-column", ANSWERS, "--model", model, "--block-size", 16]
        words += ["--batch-size", 16, "--gradient-accumulation-steps", 2, "--max-steps", STEPS]
        words += ["--save-steps", SAVE, "--learning-rate", 1e-3, "--threads", 2, "--device", "cpu"]
        words += ["--backend", backend, "--test-size", 0.1, "--json"]
        self._command = [sys.executable, "-m", "mlm_core", "train", *map(str, words)]

    def start(self, name: str, *words: str) -> subprocess.Popen:
        command = [*self._command, "--output-dir", str(self.directory / name), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ)

    def finish(self, name: str, *words: str, code: int = 0) -> tuple[dict, str]:
        process = self.start(name, *words)
        out, said = process.communicate()
        assert process.returncode == code, said
        assert "Traceback" not in said
        return json.loads(out), said

    def stop(self, name: str, step: int, number: int) -> tuple[int, str]:
        """Send a signal once a step is in the metrics; the exit code and what was said."""
        process = self.start(name, "--resume")
        metrics = self.directory / name / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and f'"step": {step},' in metrics.read_text()):
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate()
        return process.returncode, said

    def bytes(self, name: str) -> bytes:
        return (self.directory / name / "model.safetensors").read_bytes()

    def metrics(self, name: str) -> list[dict]:
        lines = (self.directory / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) | {"tokens_per_second": None} for line in lines]


@pytest.fixture(scope="module", params=["torch", "tf"])
def runs(request, tmp_path_factory):
    made = Runs(request.param, tmp_path_factory.mktemp("runs"))
    made.finish("whole")
    return made


def test_killed_at_any_moment_a_run_ends_with_the_same_bytes(runs):
    draw = random.Random(11)
    for step in sorted(draw.sample(range(5, STEPS - 15), 2)):
        code, said = runs.stop("killed", step, signal.SIGKILL)
        assert code == -signal.SIGKILL, said
    code, said = runs.stop("killed", STEPS - 12, signal.SIGTERM)
    assert code == 143 and said.splitlines()[-1].startswith("mlm: error: SIGTERM after step ")
    assert "--resume goes on" in said
    results, said = runs.finish("killed", "--resume")
    assert "going on from step" in said
    assert runs.bytes("killed") == runs.bytes("whole")
    assert runs.metrics("killed") == runs.metrics("whole")
    steps = [line["step"] for line in runs.metrics("killed") if "loss" in line]
    assert steps == list(range(1, STEPS + 1))
    # Finished: nothing changes any more.
    before = {path: path.stat().st_mtime_ns for path in (runs.directory / "killed").rglob("*")}
    again, said = runs.finish("killed", "--resume")
    assert "is finished already" in said
    assert again == results
    assert before == {path: path.stat().st_mtime_ns for path in (runs.directory / "killed").rglob("*")}


def test_another_plan_is_refused_and_a_damaged_checkpoint_passed_over(runs):
    runs.stop("other", 20, signal.SIGTERM)
    error, said = runs.finish("other", "--resume", "--learning-rate", "2e-3", code=2)
    assert (error["error"]["option"], error["error"]["code"]) == ("--learning-rate", "changed_plan")
    newest = sorted((runs.directory / "other" / "checkpoints").iterdir())[-1]
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    _, said = runs.finish("other", "--resume")
    assert f"not used: {weights} is not what was written" in said
    assert runs.bytes("other") == runs.bytes("whole")
    assert runs.metrics("other") == runs.metrics("whole")


def test_the_other_engine_goes_on(runs, request):
    other = {"torch": "tf", "tf": "torch"}[request.node.callspec.params["runs"]]
    runs.stop("handed", 30, signal.SIGTERM)
    _, said = runs.finish("handed", "--resume", "--backend", other, "--dropout", "0.2", code=2)
    # An option of the plan that was not given before is another plan.
    _, said = runs.finish("handed", "--resume", "--backend", other)
    assert "--backend was" in said
    one, two = runs.metrics("handed"), runs.metrics("whole")
    assert [line.get("batch_digest") for line in one] == [line.get("batch_digest") for line in two]
    assert one[-1]["eval_loss"] == pytest.approx(two[-1]["eval_loss"], rel=0.02)
