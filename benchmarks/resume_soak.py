"""Kills runs with SIGKILL at random moments, resumes them, and compares them with one never killed.

    python benchmarks/resume_soak.py --output-dir soak [--kills 50] [--backends torch,tf]

Each kill is a run of its own: dropout on, accumulation, several epochs, checkpoints in the middle of
them. It is killed at a step and a moment within it drawn by the kill's number (every fifth one while a
checkpoint is being written), resumed with `--resume`, and must end with the same bytes in
`model.safetensors` and the same lines in `metrics.jsonl`. Every outcome is appended to
`kills.jsonl`; started again on the same directory, it goes on with the kills that are missing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STEPS, SAVE = 40, 7
WORDS = f"""--dataset {Path(__file__).parents[1] / "tests/data/eli5_sample.jsonl"} --text-column answers.text
--block-size 32 --batch-size 8 --gradient-accumulation-steps 2 --max-steps {STEPS} --save-steps {SAVE}
--dropout 0.1 --test-size 0.1 --device cpu --threads 2 --quiet""".split()
EVERY_FIFTH = 5
"""Of so many kills one is aimed at a checkpoint that is being written."""


@dataclass
class Outcome:
    """What became of one kill."""

    number: int
    killed_after_step: int
    while_saving: bool
    resumed_from: int
    same_weights: bool
    same_metrics: bool
    seconds: float


class Soak:
    """The kills of one engine."""

    def __init__(self, backend: str, directory: Path) -> None:
        self.backend = backend
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "kills.jsonl"

    def outcomes(self) -> list[Outcome]:
        """What is known already."""
        if not self.log.is_file():
            return []
        return [Outcome(**json.loads(line)) for line in self.log.read_text().splitlines()]

    def run(self, kills: int) -> None:
        """Do the kills that are missing."""
        if not (self.directory / "whole" / "model.safetensors").is_file():
            shutil.rmtree(self.directory / "whole", ignore_errors=True)
            self._finish("whole")
        done = {outcome.number for outcome in self.outcomes()}
        for number in range(kills):
            if number not in done:
                outcome = self._kill(number)
                with self.log.open("a") as log:
                    log.write(json.dumps(asdict(outcome)) + "\n")
                print(f"{self.backend} {outcome}", flush=True)

    def _kill(self, number: int) -> Outcome:
        draw = random.Random(f"{self.backend} {number}")
        shutil.rmtree(self.directory / "killed", ignore_errors=True)
        begun = time.monotonic()
        process = self._start("killed")
        aimed = number % EVERY_FIFTH == EVERY_FIFTH - 1
        if aimed:
            self._wait_for_save(process, draw.randrange(1, STEPS // SAVE + 1))
            time.sleep(draw.uniform(0, 0.05))
        else:
            self._wait_for_step(process, draw.randrange(STEPS))
            time.sleep(draw.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        step = self._last_step("killed")
        while_saving = bool(list(self._checkpoints().glob(".step-*")))
        newest = max((int(path.name[5:]) for path in self._checkpoints().glob("step-*")), default=0)
        self._finish("killed", "--resume")
        return Outcome(
            number=number,
            killed_after_step=step,
            while_saving=while_saving,
            resumed_from=newest,
            same_weights=self._bytes("killed") == self._bytes("whole"),
            same_metrics=self._metrics("killed") == self._metrics("whole"),
            seconds=round(time.monotonic() - begun, 1),
        )

    def _start(self, name: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mlm_core", "train", *WORDS, "--backend", self.backend, *words]
        where = ["--output-dir", str(self.directory / name)]
        return subprocess.Popen(command + where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def _finish(self, name: str, *words: str) -> None:
        process = self._start(name, *words)
        _, said = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"{self.backend}: {name} ended with {process.returncode}:\n{said}")

    def _wait_for_step(self, process: subprocess.Popen[str], step: int) -> None:
        while process.poll() is None and self._last_step("killed") < step:
            time.sleep(0.002)

    def _wait_for_save(self, process: subprocess.Popen[str], number: int) -> None:
        self._wait_for_step(process, number * SAVE)
        while process.poll() is None and not list(self._checkpoints().glob(".step-*")):
            if (self._checkpoints() / f"step-{number * SAVE:08}").is_dir():
                return
            time.sleep(0.0005)

    def _checkpoints(self) -> Path:
        return self.directory / "killed" / "checkpoints"

    def _last_step(self, name: str) -> int:
        return max((line["step"] for line in self._metrics(name) if "loss" in line), default=0)

    def _metrics(self, name: str) -> list[dict[str, Any]]:
        path = self.directory / name / "metrics.jsonl"
        whole = path.read_text().split("\n")[:-1] if path.is_file() else []
        return [json.loads(line) | {"tokens_per_second": None} for line in whole]

    def _bytes(self, name: str) -> bytes:
        return (self.directory / name / "model.safetensors").read_bytes()


def table(soaks: list[Soak]) -> str:
    """The outcomes by engine, as Markdown."""
    lines = ["| engine | kills | while saving | same weights | same metrics |", "|---|---|---|---|---|"]
    for soak in soaks:
        known = soak.outcomes()
        counts = [len(known)] + [
            sum(getattr(outcome, name) for outcome in known)
            for name in ("while_saving", "same_weights", "same_metrics")
        ]
        lines.append(f"| {soak.backend} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run; exit code 1 where a run differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--backends", default="torch,tf")
    given = parser.parse_args()
    soaks = [Soak(backend, given.output_dir / backend) for backend in given.backends.split(",")]
    for soak in soaks:
        soak.run(given.kills)
    print(table(soaks))
    good = all(outcome.same_weights and outcome.same_metrics for soak in soaks for outcome in soak.outcomes())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
