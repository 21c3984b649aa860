"""Kills runs with SIGKILL at random moments, resumes them, and compares them with a run that is never killed.

    python benchmarks/resume_soak.py --output-dir soak [--kills 50] [--backends torch,tf]

With dropout, gradient accumulation, several epochs, and checkpoints in the middle of epochs. Each run is
killed five times and resumed with `--resume` each time. Its number draws the steps and the moments within
them; the fifth kill comes while a checkpoint is being written. Every checkpoint written between two kills
must have the same bytes as that of the run never killed, and so must the final `model.safetensors`;
`metrics.jsonl` must have the same lines. Outcomes are appended to `kills.jsonl`. Started again on the same
directory, the program does the runs that are missing.
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

from mlm_core.system import markdown

STEPS, SAVE = 40, 7
WORDS = f"""--dataset {Path(__file__).parents[1] / "tests/data/eli5_sample.jsonl"} --text-column answers.text
--block-size 32 --batch-size 8 --gradient-accumulation-steps 2 --max-steps {STEPS} --save-steps {SAVE}
--dropout 0.1 --test-size 0.1 --device cpu --threads 2 --quiet --keep-checkpoints 99""".split()
KILLS_IN_A_RUN = 5


@dataclass
class Outcome:
    """The outcome of one kill."""

    run: int
    killed_after_step: int
    while_saving: bool
    resumed_from: int
    same_checkpoints: bool = False
    same_weights: bool = False
    same_metrics: bool = False


class Soak:
    """The kills of one engine."""

    def __init__(self, backend: str, directory: Path) -> None:
        self.backend = backend
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "kills.jsonl"

    def outcomes(self) -> list[Outcome]:
        """The outcomes so far."""
        if not self.log.is_file():
            return []
        return [Outcome(**json.loads(line)) for line in self.log.read_text().splitlines()]

    def run(self, kills: int) -> None:
        """Do the runs that are missing."""
        if not (self.directory / "whole" / "model.safetensors").is_file():
            shutil.rmtree(self.directory / "whole", ignore_errors=True)
            self._finish("whole")
        done = {outcome.run for outcome in self.outcomes()}
        for number in range(-(-kills // KILLS_IN_A_RUN)):
            if number not in done:
                outcomes = self._killed_run(number)
                with self.log.open("a") as log:
                    log.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
                print(self.backend, *outcomes, sep="\n  ", flush=True)

    def _killed_run(self, number: int) -> list[Outcome]:
        draw = random.Random(f"{self.backend} {number}")
        shutil.rmtree(self.directory / "killed", ignore_errors=True)
        steps = sorted(draw.sample(range(STEPS - SAVE), KILLS_IN_A_RUN - 1))
        outcomes = []
        for index in range(KILLS_IN_A_RUN):
            process = self._start("killed", "--resume")
            if index < len(steps):
                self._wait_for_step(process, steps[index])
                time.sleep(draw.uniform(0, 0.2))
            else:
                self._wait_for_save(process)
                time.sleep(draw.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
            process.wait()
            outcomes.append(self._outcome(number))
            # Of these checkpoints, the new ones were written since the kill before.
            if index:
                outcomes[index - 1].same_checkpoints = self._same_checkpoints()
        self._finish("killed", "--resume")
        outcomes[-1].same_checkpoints = self._same_checkpoints()
        for outcome in outcomes:
            outcome.same_weights = self._bytes("killed") == self._bytes("whole")
            outcome.same_metrics = self._metrics("killed") == self._metrics("whole")
        return outcomes

    def _outcome(self, number: int) -> Outcome:
        complete = [int(path.name[5:]) for path in self._checkpoints("killed").glob("step-*")]
        return Outcome(
            run=number,
            killed_after_step=self._last_step("killed"),
            while_saving=bool(list(self._checkpoints("killed").glob(".step-*"))),
            resumed_from=max(complete, default=0),
        )

    def _same_checkpoints(self) -> bool:
        return all(
            path.read_bytes() == (self._checkpoints("whole") / path.parent.name / path.name).read_bytes()
            for path in self._checkpoints("killed").glob("step-*/*.safetensors")
        )

    def _start(self, name: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mlm_core", "train", *WORDS, "--backend", self.backend, *words]
        where = ["--output-dir", str(self.directory / name)]
        return subprocess.Popen(command + where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def _finish(self, name: str, *words: str) -> None:
        process = self._start(name, *words)
        _, printed = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"{self.backend}: {name} ended with {process.returncode}:\n{printed}")

    def _wait_for_step(self, process: subprocess.Popen[str], step: int) -> None:
        while process.poll() is None and self._last_step("killed") < step:
            time.sleep(0.002)

    def _wait_for_save(self, process: subprocess.Popen[str]) -> None:
        """Wait until a checkpoint is being written. What an earlier kill has left does not count."""
        before = set(self._checkpoints("killed").glob(".step-*"))
        while process.poll() is None and not set(self._checkpoints("killed").glob(".step-*")) - before:
            time.sleep(0.0005)

    def _checkpoints(self, name: str) -> Path:
        return self.directory / name / "checkpoints"

    def _last_step(self, name: str) -> int:
        return max((line["step"] for line in self._metrics(name) if "loss" in line), default=0)

    def _metrics(self, name: str) -> list[dict[str, Any]]:
        path = self.directory / name / "metrics.jsonl"
        whole = path.read_text().split("\n")[:-1] if path.is_file() else []
        return [json.loads(line) | {"tokens_per_second": None} for line in whole]

    def _bytes(self, name: str) -> bytes:
        return (self.directory / name / "model.safetensors").read_bytes()


def table(soaks: list[Soak]) -> str:
    """The outcomes of each engine, as Markdown."""
    columns = ("while_saving", "same_checkpoints", "same_weights", "same_metrics")
    head = ["engine", "kills", *(name.replace("_", " ") for name in columns)]
    rows = []
    for soak in soaks:
        known = soak.outcomes()
        counts = [len(known), *(sum(getattr(outcome, name) for outcome in known) for name in columns)]
        rows.append([soak.backend, *map(str, counts)])
    return markdown.table(head, rows)


def _good(outcome: Outcome) -> bool:
    return outcome.same_checkpoints and outcome.same_weights and outcome.same_metrics


def main() -> int:
    """Run; the exit code is 1 if a run differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--backends", default="torch,tf")
    given = parser.parse_args()
    soaks = [Soak(backend, given.output_dir / backend) for backend in given.backends.split(",")]
    for soak in soaks:
        soak.run(given.kills)
    print(table(soaks))
    return 0 if all(_good(outcome) for soak in soaks for outcome in soak.outcomes()) else 1


if __name__ == "__main__":
    sys.exit(main())
