"""Trains the same run on different numbers of ranks and compares every step with one process.

    python benchmarks/ranks/agreement.py [--steps 100] [--backends torch,tf] [--output FILE]

A small RoBERTa on the sample of ELI5, float32, with dropout, two micro-batches, rows that cannot be shared
out evenly, and epochs whose last batch has few rows. Prints the largest relative difference of a loss, of a
gradient norm and of an evaluation, and whether all batches had the same digests. Without dropout, whose
noise belongs to a framework, it also compares the two engines at one rank and at two.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from figures import machine_facts, write_results

from mlm_core.system import markdown

TEXT = Path(__file__).parents[2] / "tests/data/eli5_sample.jsonl"
WORDS = f"""--dataset {TEXT} --text-column answers.text --from-scratch --block-size 32 --batch-size 15
--gradient-accumulation-steps 2 --test-size 0.1 --device cpu --threads 1 --quiet --save-steps 1000""".split()
VARIANTS = ("1", "2", "3", "4", "2 --shard", "3 --shard")
"""Ranks, and an option; only PyTorch shards."""

Lines = list[dict[str, Any]]


def trained(directory: Path, backend: str, variant: str, steps: int, dropout: float) -> Lines:
    """The lines of metrics of a run."""
    ranks, *more = variant.split()
    run = directory / f"{backend}-{variant.replace(' ', '')}-{dropout}"
    words = [*WORDS, "--max-steps", str(steps), "--dropout", str(dropout), "--backend", backend, *more]
    command = [sys.executable, "-m", "mlm_core", "train", *words, "--output-dir", str(run), "--nproc", ranks]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def difference(ours: Lines, theirs: Lines) -> dict[str, Any]:
    """The largest relative differences, and whether the batches were the same."""

    def worst(name: str) -> float:
        pairs = [(a[name], b[name]) for a, b in zip(ours, theirs, strict=True) if name in b]
        return max(abs(a - b) / b for a, b in pairs)

    digests = [[line.get("batch_digest") for line in lines] for lines in (ours, theirs)]
    found = {name: worst(name) for name in ("loss", "grad_norm", "eval_loss")}
    return found | {"same_batches": digests[0] == digests[1]}


def main() -> None:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--backends", default="torch,tf")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    backends, rows = given.backends.split(","), []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for backend in backends:
            one = trained(place, backend, "1", given.steps, 0.1)
            for variant in VARIANTS[1:]:
                if "shard" not in variant or backend == "torch":
                    found = difference(trained(place, backend, variant, given.steps, 0.1), one)
                    rows.append({"what": f"{backend}, {variant} ranks against 1"} | found)
                    print(rows[-1], file=sys.stderr, flush=True)
        for ranks in ("1", "2") if len(backends) == 2 else ():
            first, second = (trained(place, backend, ranks, given.steps, 0.0) for backend in backends)
            rows.append({"what": f"{backends[1]} against {backends[0]}, {ranks} ranks"})
            rows[-1] |= difference(second, first)
    shown = [
        [row["what"], *(f"{row[n]:.1e}" for n in ("loss", "grad_norm", "eval_loss")),
         "same" if row["same_batches"] else "DIFFERENT"]
        for row in rows
    ]  # fmt: skip
    print(markdown.table(["runs", "loss", "gradient norm", "held-out loss", "batches"], shown))
    if given.output is not None:
        facts = machine_facts(("torch", "tensorflow", "transformers"))
        write_results(given.output, facts | {"steps": given.steps, "rows": rows})


if __name__ == "__main__":
    main()
