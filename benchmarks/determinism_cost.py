"""What exact resume costs: training speed with and without each thing that it needs, or might need.

    python benchmarks/determinism_cost.py [--rounds 5] [--output FILE]

`mlm train` with its defaults, but with dropout 0.1 and 30 steps, as whole processes in interleaved rounds (A
B C, A B C): unchanged; with the framework's own dropout noise in place of keyed noise; without digests of the
batches; with the framework's own switch for deterministic operations. Prints tokens per second: the median
over rounds of each round's median step, the spread, and the median of each round's ratio to the first
variant.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from figures import benchmark_parser, write_results

STEPS, WARM_UP = 30, 8
"""Steps of a run, and how many of them are not counted."""

_RUN = "import sys; from mlm_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
VARIANTS: dict[str, dict[str, str]] = {
    "torch": {
        "as it is": "",
        "own noise": "import contextlib, mlm_torch.trainer as t; t.keyed_dropout;"
        "t.keyed_dropout = lambda *key, **how: contextlib.nullcontext();",
        "no digests": "sys.argv.append('--no-verify-batches');",
        "switch": "import torch; torch.use_deterministic_algorithms(True);",
    },
    "tf": {
        "as it is": "",
        "own noise": "import mlm_tf.model as m; m.key_dropout_layers = lambda *model: None;",
        "no digests": "sys.argv.append('--no-verify-batches');",
        "switch": "import tensorflow as tf; tf.config.experimental.enable_op_determinism();",
    },
}


def speed(backend: str, prelude: str, directory: Path) -> float:
    """Tokens per second of one run: the median of its steps."""
    prepared = f"import sys; from mlm_core import load_engine; load_engine('{backend}').devices(); {prelude}"
    words = ["train", "--backend", backend, "--dropout", "0.1", "--max-steps", str(STEPS), "--quiet"]
    subprocess.run(
        [sys.executable, "-c", prepared + _RUN, *words, "--output-dir", str(directory)],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    steps = [line["tokens_per_second"] for line in map(json.loads, lines) if "loss" in line]
    return statistics.median(steps[WARM_UP:])


def measure(backend: str, rounds: int) -> dict[str, Any]:
    """Every variant of an engine, in interleaved rounds."""
    found: dict[str, list[float]] = {name: [] for name in VARIANTS[backend]}
    for number in range(rounds):
        for name, prelude in VARIANTS[backend].items():
            with tempfile.TemporaryDirectory() as scratch:
                found[name].append(speed(backend, prelude, Path(scratch) / f"run-{number}"))
    first = next(iter(found.values()))
    return {
        name: {
            "tokens_per_second": statistics.median(values),
            "spread": [min(values), max(values)],
            "ratio": statistics.median(
                value / reference for value, reference in zip(values, first, strict=True)
            ),
        }
        for name, values in found.items()
    }


def main() -> None:
    """Measure and print."""
    given = benchmark_parser(__doc__).parse_args()
    report = {backend: measure(backend, given.rounds) for backend in VARIANTS}
    for backend, variants in report.items():
        for name, row in variants.items():
            low, high = row["spread"]
            print(
                f"{backend:6} {name:12} {row['tokens_per_second']:8.0f} tokens/s "
                f"({low:.0f} to {high:.0f})  x {row['ratio']:.3f}"
            )
    packages = {name: version(name) for name in ("torch", "tensorflow", "transformers")}
    facts = {"unit": "tokens/s", "cores": os.cpu_count(), "rounds": given.rounds, "versions": packages}
    write_results(given.output, facts | {"engines": report})


if __name__ == "__main__":
    main()
