"""Speed of 1, 2, ... ranks at DistilRoBERTa's shape: tokens/s, efficiency, and the share of communication.

    python benchmarks/ranks/scaling.py [--ranks 1,2] [--rounds 3] [--steps 6] [--backends torch,tf]
        [--batch 16] [--width 768] [--layers 6] [--shard] [--output FILE]

Every round trains each number of ranks once, through `mlm train --nproc`, in one order and in the next
round in reverse; the first steps, which warm up, are left out. The batch is the global one, so all variants
compute the same. On GPUs every rank has its own: efficiency is tokens/s of N ranks over N times those of
one. On a CPU the ranks share the cores: efficiency is tokens/s of N ranks over those of one process with
all cores. Communication is timed by itself: the sum over ranks of as many float32 numbers as the model has
parameters, over the time of a step; a training overlaps a part of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from figures import machine_facts, write_results
from inputs import BLOCK, VOCABULARY, embedded_documents, write_roberta

from mlm_core.data.train_tokenizer import train_tokenizer
from mlm_core.registry import find_engine
from mlm_core.system import markdown
from mlm_core.system.machine import cores

WARM_UP = 2


class Scaling:
    """The variants of one engine.

    Args:
        given: the arguments.
        backend: the engine.
        directory: for the model, the text and the runs.
    """

    def __init__(self, given: argparse.Namespace, backend: str, directory: Path) -> None:
        self.given, self.backend, self.directory = given, backend, directory
        self.on_gpu = "gpu" in find_engine(backend).devices()

    def tokens_per_second(self, ranks: int) -> float:
        """Train with so many ranks; the median of the steps that did not warm up."""
        run = self.directory / f"run-{self.backend}"
        steps = WARM_UP + self.given.steps
        words = f"""train --backend {self.backend} --model {self.directory / "model"} --from-scratch
            --dataset {self.directory / "text.jsonl"} --batch-size {self.given.batch} --block-size {BLOCK}
            --max-steps {steps} --nproc {ranks} --overwrite --output-dir {run} --test-size 0.02 --quiet
            --save-steps {10 * steps}""".split()
        words += ["--shard"] if self.given.shard and ranks > 1 else []
        subprocess.run([sys.executable, "-m", "mlm_core", *words], check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return statistics.median(line["tokens_per_second"] for line in lines if "loss" in line and
                                 line["step"] > WARM_UP)  # fmt: skip

    def communication(self, ranks: int) -> float:
        """Seconds to add up as many numbers as the model has parameters, over so many ranks."""
        worker = Path(__file__).with_name("communication_worker.py")
        parameters = json.loads((self.directory / "parameters.json").read_text())
        command = [sys.executable, str(worker), self.backend, str(ranks), str(parameters)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])

    def measured(self) -> list[dict[str, Any]]:
        """Tokens/s of every number of ranks, in interleaved rounds, and what follows from them."""
        counts = [int(word) for word in self.given.ranks.split(",")]
        speeds: dict[int, list[float]] = {count: [] for count in counts}
        for number in range(self.given.rounds):
            for count in counts if number % 2 == 0 else reversed(counts):
                speeds[count].append(self.tokens_per_second(count))
                print(f"{self.backend} {count} ranks: {speeds[count][-1]:,.0f} tokens/s", file=sys.stderr)
        return [self._row(count, speeds) for count in counts]

    def _row(self, ranks: int, speeds: dict[int, list[float]]) -> dict[str, Any]:
        median = statistics.median(speeds[ranks])
        alone = statistics.median(speeds[min(speeds)])
        devices = ranks / min(speeds) if self.on_gpu else 1
        seconds = self.communication(ranks) if ranks > 1 else 0.0
        step = self.given.batch * BLOCK / median
        return {
            "backend": self.backend, "ranks": ranks, "device": "gpu" if self.on_gpu else "cpu",
            "tokens_per_second": median, "least": min(speeds[ranks]), "most": max(speeds[ranks]),
            "efficiency": median / (alone * devices), "communication_seconds": seconds,
            "communication_share": seconds / step, "sharded": self.given.shard,
        }  # fmt: skip


def write_inputs(directory: Path, given: argparse.Namespace) -> None:
    """Write the model's directory, the text and the number of parameters."""
    documents = embedded_documents()
    tokenizer = train_tokenizer(documents, 6000, 512)
    shape = {"width": given.width, "inner": 4 * given.width, "layers": given.layers}
    write_roberta(directory / "model", tokenizer, VOCABULARY, **shape)
    blocks = -(-given.batch * (WARM_UP + given.steps) * BLOCK * 8 // sum(map(len, documents)))
    with (directory / "text.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in documents * max(1, blocks))
    width = given.width
    parameters = VOCABULARY * width + given.layers * 12 * width * width + 2 * width * width
    (directory / "parameters.json").write_text(str(parameters))


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    shown = [
        [
            row["backend"], str(row["ranks"]), f"{row['tokens_per_second']:,.0f}",
            f"{row['least']:,.0f} to {row['most']:,.0f}", f"{row['efficiency']:.0%}",
            f"{row['communication_seconds']:.2f} s, {row['communication_share']:.0%}",
        ]
        for row in rows
    ]  # fmt: skip
    names = ["engine", "ranks", "tokens/s", "spread", "efficiency", "communication a step"]
    return markdown.table(names, shown)


def main() -> None:
    """Measure every engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--backends", default="torch,tf")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--shard", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch), given)
        for backend in given.backends.split(","):
            rows += Scaling(given, backend, Path(scratch)).measured()
    print(table(rows))
    if given.output is not None:
        facts = machine_facts(("torch", "tensorflow", "transformers", "accelerate")) | {"cores": cores()}
        write_results(given.output, facts | {"batch": given.batch, "rows": rows})


if __name__ == "__main__":
    main()
