"""Kills ranks with SIGKILL at random moments, resumes with another number, and compares with one process.

    python benchmarks/ranks/soak.py --output-dir ranks-soak [--kills 20] [--backends torch,tf]

With dropout, gradient accumulation, an uneven batch, several epochs, and checkpoints within epochs. Each
kill draws the number of ranks (2 or 3), the rank, and the moment: while the ranks start, after some steps,
or while a checkpoint is written. `mlm train --nproc` must then end within 15 seconds and say it in one
line. The next kill goes on from the newest checkpoint. A run that comes to its end is compared with one
that a single process trained: every step once, the same batches, losses within 1e-6; the next run begins.
Outcomes are appended to BACKEND/kills.jsonl. Started again on the same directory, the program does the
kills that are missing. The exit code is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STEPS, SAVE, TOLERANCE, LIMIT = 60, 5, 1e-6, 15.0
TEXT = Path(__file__).parents[2] / "tests/data/eli5_sample.jsonl"
WORDS = f"""--dataset {TEXT} --text-column answers.text --block-size 32 --batch-size 7
--gradient-accumulation-steps 2 --max-steps {STEPS} --save-steps {SAVE} --dropout 0.1 --test-size 0.1
--device cpu --threads 1 --quiet""".split()
MOMENTS = ("starting", "stepping", "stepping", "saving")


class Soak:
    """The kills of one engine."""

    def __init__(self, backend: str, directory: Path) -> None:
        self.backend = backend
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "kills.jsonl"

    def outcomes(self) -> list[dict[str, Any]]:
        """The outcomes so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.is_file() else []

    def run(self, kills: int) -> None:
        """Do the kills that are missing, and finish what they have begun."""
        if not (self.directory / "whole" / "model.safetensors").is_file():
            shutil.rmtree(self.directory / "whole", ignore_errors=True)
            self._start("whole", 1).communicate()
        tried = 0
        while len(self.outcomes()) < kills:
            # A run may come to its end before the moment does: that is no kill.
            outcome = self._killed(len(self.outcomes()), random.Random(f"{self.backend} {kills} {tried}"))
            tried += 1
            if outcome is not None:
                self._note(outcome)
        self._finish(random.Random(f"{self.backend} end"))

    def _note(self, outcome: dict[str, Any]) -> None:
        with self.log.open("a") as log:
            log.write(json.dumps(outcome) + "\n")
        print(self.backend, outcome, flush=True)

    def _killed(self, number: int, draw: random.Random) -> dict[str, Any] | None:
        if self._steps("killed") >= STEPS - 2 * SAVE:
            self._finish(draw)
        count, moment = draw.choice([2, 3]), draw.choice(MOMENTS)
        before = self._newest("killed")
        process = self._start("killed", count)
        victim = self._victim(process, draw, moment)
        if victim is None:
            process.communicate()
            return None
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        _, said = process.communicate()
        seconds, lines = time.monotonic() - killed, said.strip().splitlines()
        kept = self._newest("killed") >= before
        good = seconds < LIMIT and process.returncode == 1 and len(lines) == 1 and kept
        return {
            "kill": number, "ranks": count, "moment": moment, "seconds": round(seconds, 2), "good": good,
            "checkpoint": self._newest("killed"), "said": lines[-1] if lines else "",
        }  # fmt: skip

    def _victim(self, process: subprocess.Popen[str], draw: random.Random, moment: str) -> int | None:
        """Wait for the moment; return the process of a rank, or None if the run has ended before."""
        begun, steps, wanted = time.monotonic(), self._steps("killed"), draw.randint(1, 2 * SAVE)
        pause = draw.uniform(0, 8 if moment == "starting" else 0.3)
        while process.poll() is None:
            if moment == "starting" and time.monotonic() - begun > pause:
                break
            if moment == "stepping" and self._steps("killed") >= steps + wanted:
                time.sleep(pause)
                break
            if moment == "saving" and list((self.directory / "killed" / "checkpoints").glob(".step-*")):
                break
            time.sleep(0.005)
        ranks = _children(process.pid)
        return draw.choice(ranks) if process.poll() is None and ranks else None

    def _finish(self, draw: random.Random) -> None:
        """Let a run come to its end, and compare it."""
        if not (self.directory / "killed").exists():
            return
        count = draw.choice([1, 2, 3])
        process = self._start("killed", count)
        _, said = process.communicate()
        worst = self._difference() if process.returncode == 0 else None
        good = worst is not None and worst <= TOLERANCE
        self._note_run({"ranks": count, "good": good, "worst": worst, "said": said.strip()[-300:]})
        shutil.rmtree(self.directory / "killed")

    def _note_run(self, outcome: dict[str, Any]) -> None:
        with (self.directory / "runs.jsonl").open("a") as log:
            log.write(json.dumps(outcome) + "\n")
        print(self.backend, "finished", outcome, flush=True)

    def _difference(self) -> float | None:
        """The largest relative difference of a loss to the whole run; None: steps or batches differ."""
        ours, theirs = self._lines("killed"), self._lines("whole")
        same = ("step", "batch_digest", "masked_tokens", "eval_masked_tokens")
        if [[line.get(n) for n in same] for line in ours] != [[line.get(n) for n in same] for line in theirs]:
            return None
        pairs = zip(ours, theirs, strict=True)
        names = ("loss", "eval_loss")
        return max(abs(a[n] - b[n]) / b[n] for a, b in pairs for n in names if n in b)

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.directory / name / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _steps(self, name: str) -> int:
        return sum("loss" in line for line in self._lines(name))

    def _newest(self, name: str) -> int:
        found = (self.directory / name / "checkpoints").glob("step-*/state.json")
        return max((int(path.parent.name.removeprefix("step-")) for path in found), default=0)

    def _start(self, name: str, count: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mlm_core", "train", *WORDS, "--backend", self.backend]
        command += ["--output-dir", str(self.directory / name), "--resume", "--nproc", str(count)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _children(parent: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def main() -> int:
    """Kill ranks of each engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20, help="of each engine")
    parser.add_argument("--backends", default="torch,tf")
    given = parser.parse_args()
    good = True
    for backend in given.backends.split(","):
        soak = Soak(backend, (given.output_dir / backend).absolute())
        soak.run(given.kills)
        kills = soak.outcomes()
        runs = [json.loads(line) for line in (soak.directory / "runs.jsonl").read_text().splitlines()]
        good = good and all(outcome["good"] for outcome in (*kills, *runs))
        slowest = max(outcome["seconds"] for outcome in kills)
        worst = max((run["worst"] or 0.0 for run in runs), default=0.0)
        lost = sum(not outcome["good"] for outcome in (*kills, *runs))
        print(
            f"{backend}: {len(kills)} kills, the slowest end {slowest:.1f} s; {len(runs)} runs finished, "
            f"losses within {worst:.1e}; lost: {lost}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
