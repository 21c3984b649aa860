"""Whether a run repeats on the device, and agrees with the CPU.

    repeat.py RUN ...

Trains the default model for 30 steps, RUN being one of `RUNS`. Two runs of the same kind differ in nothing.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from facts import Facts
from settings import Settings

STEPS = 30
RUNS = {
    "first": ("gpu", "bf16", 0.1),
    "second": ("gpu", "bf16", 0.1),
    "float32": ("gpu", "float32", 0.0),
    "cpu": ("cpu", "float32", 0.0),
}
"""Device ("gpu" is the one that is measured), precision and dropout."""


def train(run: str, settings: Settings) -> None:
    """Train a run into the work directory."""
    from mlm_core import Config, load_engine

    where, precision, dropout = RUNS[run]
    config = Config(
        device="cpu" if where == "cpu" else settings.device, precision=precision, dropout=dropout,
        max_steps=4 if settings.tiny else STEPS, batch_size=2 if settings.tiny else 16, seed=3, quiet=True,
        verify_batches=True, test_size=0.005 if settings.tiny else 0.2,
        output_dir=str(settings.work / "repeat" / run),
    )  # fmt: skip
    load_engine("torch").trainer(config).train()


def write_comparison(settings: Settings, facts: Facts) -> None:
    """Compare the runs; a comparison that has no runs is written as a problem."""
    runs = settings.work / "repeat"
    comparisons = {
        "repeat_bf16_dropout": ("first", "second", _same_bytes),
        "gpu_and_cpu_float32": ("float32", "cpu", _same_batches),
    }
    for kind, (one, other, same) in comparisons.items():
        try:
            apart = losses_apart(_steps(runs / one), _steps(runs / other))
            facts.write(
                kind, losses_apart=apart, steps=len(_steps(runs / one)), **same(runs / one, runs / other)
            )
        except (OSError, ValueError) as error:
            facts.write(kind, problem=str(error)[:200])


def losses_apart(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> float:
    """The largest relative difference of two runs' losses, step by step.

    Raises:
        ValueError: they have other numbers of steps.
    """
    return max(abs(mine["loss"] / theirs["loss"] - 1) for mine, theirs in zip(one, other, strict=True))


def _steps(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if "loss" in line]


def _same_bytes(one: Path, other: Path) -> dict[str, bool]:
    first, second = (
        hashlib.sha256((run / "model.safetensors").read_bytes()).digest() for run in (one, other)
    )
    return {"same_bytes": first == second}


def _same_batches(one: Path, other: Path) -> dict[str, bool]:
    first, second = ([step["batch_digest"] for step in _steps(run)] for run in (one, other))
    return {"same_batches": first == second}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        train(name, Settings.from_environment())
