"""Runs that are stopped and resumed; those of one engine differ in their directory only."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_kinds import ANSWERS, SAMPLE
from tiny_models import write_model

from mlm_core.model.weight_files import read_weights

STEPS, SAVE = 60, 7
"""Several epochs and a part of one; checkpoints in the middle of each epoch."""

_SLOW_FSYNC = """
import os, time
fsync = os.fsync
def slow(file):
    time.sleep(0.15)
    fsync(file)
os.fsync = slow
"""


class Runs:
    """The runs of one engine in a directory: a tiny model with this dropout, on this device."""

    def __init__(self, backend: str, directory: Path, dropout: float = 0.2, device: str = "cpu") -> None:
        self.backend = backend
        self.directory = directory
        self.python = sys.executable
        model = write_model(directory / "model", "roberta", dropout=dropout)
        words = ["--dataset", SAMPLE, "--text-column", ANSWERS, "--model", model, "--block-size", 16]
        words += ["--batch-size", 16, "--gradient-accumulation-steps", 2, "--max-steps", STEPS]
        words += ["--save-steps", SAVE, "--learning-rate", 1e-3, "--threads", 2, "--device", device]
        words += ["--test-size", 0.1, "--json"]
        self._words = ["-m", "mlm_core", "train", *map(str, words)]
        (directory / "slow").mkdir()
        (directory / "slow" / "sitecustomize.py").write_text(_SLOW_FSYNC)

    def elsewhere(self, backend: str, python: str = sys.executable) -> Runs:
        """The runs in the same directory, by another engine or environment."""
        other = copy.copy(self)
        other.backend, other.python = backend, python
        return other

    def command(self, run: Path) -> list[str]:
        """The command that trains in a directory."""
        return [self.python, *self._words, "--output-dir", str(run), "--backend", self.backend]

    def start(
        self, name: str, *words: str, slow_saves: bool = False, start_new_session: bool = False
    ) -> subprocess.Popen[str]:
        """Start or resume a run. With `slow_saves` writing each file to disk takes longer."""
        path = [str(self.directory / "slow"), os.environ.get("PYTHONPATH")]
        more = {"PYTHONPATH": os.pathsep.join(filter(None, path))} if slow_saves else {}
        return subprocess.Popen(
            [*self.command(self.directory / name), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | more,
            start_new_session=start_new_session,
        )

    def finish(self, name: str, *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
        """Start or resume a run until it ends with this exit code; returns its results and its stderr."""
        process = self.start(name, *words)
        out, said = process.communicate()
        assert process.returncode == code, said
        assert "Traceback" not in said
        return json.loads(out), said

    def resume(self, name: str) -> tuple[dict[str, Any], str]:
        """Resume a run by its directory alone; returns its results and its stderr."""
        run = str(self.directory / name)
        words = ["train", "--output-dir", run, "--resume", "--device", "cpu", "--json"]
        command = [self.python, "-m", "mlm_core", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    def stop(self, name: str, step: int, number: int) -> tuple[int, str]:
        """Resume a run, and send a signal once a step is in the metrics; returns exit code and stderr."""
        process = self.start(name, "--resume")
        self.wait_for_step(process, name, step)
        process.send_signal(number)
        _, said = process.communicate()
        return process.returncode, said

    def wait_for_step(self, process: subprocess.Popen[str], name: str, step: int) -> None:
        """Wait until a step is in the metrics, or the process has ended."""
        metrics = self.directory / name / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and f'"step": {step},' in metrics.read_text()):
            time.sleep(0.01)

    def checkpoints(self, name: str) -> Path:
        """The directory of a run's checkpoints."""
        return self.directory / name / "checkpoints"

    def unfinished(self, name: str) -> list[Path]:
        """The checkpoints that are being written, or that were when the run was killed."""
        return sorted(self.checkpoints(name).glob(".step-*"))

    def bytes(self, name: str) -> bytes:
        """The bytes of the saved weights."""
        return (self.directory / name / "model.safetensors").read_bytes()

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """The lines of the metrics, without the times."""
        lines = (self.directory / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) | {"tokens_per_second": None} for line in lines]

    def assert_agree(self, name: str, reference: str) -> None:
        """Assert that two runs differ by rounding only: batches, losses, and the update as a whole."""
        for line, other in zip(self.metrics(name), self.metrics(reference), strict=True):
            assert line.get("batch_digest") == other.get("batch_digest")
            loss = "loss" if "loss" in line else "eval_loss"
            assert line[loss] == pytest.approx(other[loss], rel=1e-4)
        start, one, two = (read_weights(self.directory / run) for run in ("model", name, reference))
        # The gradient of key.bias is rounding noise.
        parameters = [parameter for parameter in start if not parameter.endswith("key.bias")]
        moved = np.concatenate([(two[parameter] - start[parameter]).ravel() for parameter in parameters])
        apart = np.concatenate([(two[parameter] - one[parameter]).ravel() for parameter in parameters])
        assert np.linalg.norm(apart) <= 1e-3 * np.linalg.norm(moved)
