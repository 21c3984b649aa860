"""Where faults happen: the inputs, a run that never failed to compare with, and what must not be lost."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

from training import Installed, TrainingProcess

STEPS, SAVE = 24, 5
USERS_TEXT = "what the user wrote\n"
_ENDINGS = (0, 1, 2, 129, 130, 137, 143)
"""Done, failed, refused; ended by SIGHUP, SIGINT, SIGKILL, SIGTERM."""


class Ground:
    """The directory of one fault.

    Args:
        backend: the engine.
        inputs: `model/` and `text.jsonl`; copied, so that a fault may harm them.
        directory: of this fault; made anew.
        cache: of the prepared text; None: one of its own.

    Attributes:
        run: the run's directory.
        trouble: what went wrong that must not, a sentence each.
    """

    def __init__(self, backend: str, inputs: Path, directory: Path, cache: Path | None = None) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(inputs, directory / "inputs")
        self.backend = backend
        self.directory = directory
        self.inputs = directory / "inputs"
        self.run = directory / "run"
        self.cache = cache or directory / "cache"
        self.trouble: list[str] = []
        self._started = 0

    def start(self, *words: str, fault: Installed | None = None, run: Path | None = None) -> TrainingProcess:
        """Start `mlm train` with the run's options and further words."""
        model, text = self.inputs / "model", self.inputs / "text.jsonl"
        command = f"""train --dataset {text} --model {model} --block-size 16 --batch-size 8
            --gradient-accumulation-steps 2 --max-steps {STEPS} --save-steps {SAVE} --dropout 0.2
            --learning-rate 1e-3 --test-size 0.1 --keep-checkpoints 3 --threads 1 --device cpu --quiet
            --backend {self.backend} --output-dir {run or self.run}"""
        self._started += 1
        printed = self.directory / f"printed-{self._started}"
        return TrainingProcess([*command.split(), *words], printed, self.cache, fault)

    def check(self, process: TrainingProcess) -> int:
        """Wait for the end of a process and check that it ended in order; returns its exit code."""
        code, said = process.wait(), process.said()
        if code is None:
            self.trouble.append(f"it hung: {said[-300:]}")
        elif code not in _ENDINGS:
            self.trouble.append(f"exit code {code}: {said[-300:]}")
        if "Traceback" in said or "Error:" in re.sub("mlm: error:", "", said):
            self.trouble.append(f"a traceback: {said[-1500:]}")
        errors = [line for line in said.splitlines() if line.startswith("mlm: error: ")]
        # A process whose files may have no bytes cannot say anything.
        if code in (1, 2) and len(errors) != 1 and (said or not process.silenced):
            self.trouble.append(f"exit code {code} with {len(errors)} lines of error: {said[-300:]}")
        return 1 if code is None else code

    def settle(self, whole: Path, *words: str) -> str:
        """Resume the run until it is complete; returns "resumed", or "refused" if that is refused."""
        for _ in range(3):
            process = self.start(*(words or ("--resume",)))
            if self.check(process) == 0:
                self.compare(self.run, whole)
                return "resumed"
            if process.code in (1, 2):
                return "refused"
        self.trouble.append("it does not come to an end")
        return "refused"

    def compare(self, run: Path, whole: Path) -> None:
        """Compare a complete run with one that never failed."""
        if not (run / "model.safetensors").is_file():
            self.trouble.append(f"{run.name} has no model")
        elif digest(run / "model.safetensors") != digest(whole / "model.safetensors"):
            self.trouble.append(f"{run.name} has other weights")
        elif metrics(run) != metrics(whole):
            self.trouble.append(f"{run.name} has other metrics")

    def keep_a_file(self, *places: Path) -> list[Path]:
        """Put files of the user's own into directories; see `expect_kept`."""
        written = []
        for place in places:
            if place.is_dir():
                (place / "notes.txt").write_text(USERS_TEXT)
                written.append(place / "notes.txt")
        return written

    def expect_kept(self, written: list[Path]) -> None:
        """Each of the user's files must be somewhere below this fault's directory."""
        found = [path for path in self.directory.rglob("notes.txt") if path.read_text() == USERS_TEXT]
        if len(found) < len(written):
            self.trouble.append(f"{len(written) - len(found)} of the user's own files are lost")

    def expect_earlier(self, weights: str) -> bool:
        """Whether a run with these weights is somewhere below, with its record."""
        for model in self.directory.glob("run*/model.safetensors"):
            if digest(model) == weights and (model.parent / "run.json").is_file():
                return True
        return False


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def metrics(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's metrics, without the times."""
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) | {"tokens_per_second": None} for line in lines if line.startswith("{")]


def last_step(run: Path) -> int:
    """The last step in the metrics; 0: none."""
    try:
        return max((line["step"] for line in metrics(run) if "loss" in line), default=0)
    except (OSError, ValueError):
        return 0


def wait_for_a_moment(process: TrainingProcess, run: Path, draw: random.Random) -> None:
    """Wait for a drawn moment: at any time, after a step, or while a checkpoint is being written."""
    kind = draw.choice(["time", "step", "step", "saving"])
    if kind == "time":
        process.wait_until_age(draw.uniform(0, 3))
    elif kind == "step":
        step = draw.randrange(1, STEPS)
        process.wait_until(lambda: last_step(run) >= step)
    else:
        known = set((run / "checkpoints").glob(".step-*"))
        process.wait_until(lambda: bool(set((run / "checkpoints").glob(".step-*")) - known))
        process.wait_until_age(draw.uniform(0, 0.01))
