"""What is learned from equal tokens: held-out loss of this project and of the recipe of Hugging Face.

    python benchmarks/learning.py [--seeds 3] [--steps 400] [--output FILE]

A RoBERTa of 2 layers of 128 with dropout 0.1, from scratch, on the embedded corpus: 16 blocks of 128 tokens a
step. All variants start from the same weights, one set for each seed, and have the same blocks, steps and
optimizer: AdamW, 1e-3 falling linearly to 0, weight decay 0.01. They differ in the order of the blocks, the
masks, the head, the dropout noise, and in that Keras's `fit` does not clip gradients. Each training is a
process of its own, one after the other.

One judge evaluates all models: this project in PyTorch and float32, on the held-out blocks with its fixed
masks. Prints the mean loss (nats per masked token) over the seeds, lowest and highest, and how many times the
mean of the recipe in the same framework that is; the first row is the models before training. Exit code 1 if
a variant of this project is more than 1% above the recipe.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import machine_facts, write_results
from inputs import BATCH, BLOCK, embedded_documents, write_roberta

from mlm_core.system import markdown

WORKER = [sys.executable, str(Path(__file__).with_name("learning_worker.py"))]
VARIANTS = [
    "guide:torch:float32", "mlm:torch:float32", "mlm:torch:bf16",
    "guide:tf:float32", "mlm:tf:float32", "mlm:tf:bf16",
]  # fmt: skip
START = "start"
"""The name of the models before training."""

TOLERANCE = 0.01
"""How far above the mean loss of the recipe a variant may be, relative."""

HELD_OUT = 0.1
"""Share of the documents."""

VOCABULARY, LENGTH = 1000, 512
"""So few tokens that within minutes a model learns more than how often each one occurs."""

PACKAGES = ("torch", "tensorflow", "tf-keras", "transformers", "accelerate", "datasets", "numpy")


def write_inputs(directory: Path) -> int:
    """Write `text/` with both splits, `blocks.npy` (training), and `shape/`: config and tokenizer.

    Returns:
        The number of training blocks, a multiple of the batch: every batch of every variant is full.
    """
    from mlm_core.data.train_tokenizer import train_tokenizer

    documents = embedded_documents()
    random.Random(0).shuffle(documents)
    held_out = round(HELD_OUT * len(documents))
    test, train = documents[:held_out], documents[held_out:]
    tokenizer = train_tokenizer(train, VOCABULARY, LENGTH)
    ids = tokenizer(train, verbose=False)["input_ids"]
    fitting = np.cumsum([len(document) for document in ids]) // BLOCK % BATCH == 0
    count = int(np.flatnonzero(fitting)[-1]) + 1
    flat = [token for document in ids[:count] for token in document]
    blocks = np.array(flat[: len(flat) // BLOCK * BLOCK], dtype=np.int32).reshape(-1, BLOCK)
    np.save(directory / "blocks.npy", blocks)
    _write_texts(directory / "text" / "train.jsonl", train[:count])
    _write_texts(directory / "text" / "test.jsonl", test)
    write_roberta(directory / "shape", tokenizer, len(tokenizer), width=128, inner=512, layers=2)
    return len(blocks)


def _write_texts(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)


def run_worker(directory: Path, *words: str) -> dict[str, Any]:
    """Run `learning_worker.py`; returns what it prints at its end."""
    log = directory / "log"
    with log.open("w") as said:
        done = subprocess.run(
            [*WORKER, str(directory), *words], stdout=subprocess.PIPE, stderr=said, text=True
        )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def train_all(directory: Path, seeds: int, steps: int) -> dict[str, list[dict[str, Any]]]:
    """Train every variant from the same weights, seed by seed.

    Returns:
        By variant `{"seconds": of the training}` of each seed.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for seed in range(seeds):
        start = run_worker(directory, START, str(seed))["starting_weights"]
        for name in VARIANTS:
            print(f"seed {seed}: {name}", file=sys.stderr, flush=True)
            facts = run_worker(directory, name, str(seed), str(steps))
            if facts.pop("starting_weights") != start:
                sys.exit(f"{name} did not start from the weights of seed {seed}")
            found[name].append(facts)
    return found


def judge(directory: Path, seeds: int) -> dict[str, list[float]]:
    """Held-out losses by variant, seed by seed."""
    losses = run_worker(directory, "judge", *(f"{name}-{seed}" for seed in range(seeds) for name in _ALL))
    return {name: [losses[f"{name}-{seed}"] for seed in range(seeds)] for name in _ALL}


_ALL = [START, *VARIANTS]


def report(losses: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Mean, spread, and how many times the mean of the recipe that is."""
    means = {name: statistics.fmean(values) for name, values in losses.items()}
    found = {}
    for name, values in losses.items():
        found[name] = {"losses": values, "mean": means[name], "spread": [min(values), max(values)]}
        if name != START:
            found[name]["times_the_guide"] = means[name] / means[f"guide:{name.split(':')[1]}:float32"]
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """The report as Markdown."""
    rows = []
    for name, facts in found.items():
        low, high = facts["spread"]
        times = f"{facts['times_the_guide']:.4f}" if "times_the_guide" in facts else ""
        rows.append([name, f"{facts['mean']:.3f}", f"{low:.3f} to {high:.3f}", times])
    return markdown.table(("variant", "held-out loss", "lowest to highest", "times the recipe"), rows)


def main() -> int:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the results as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        blocks = write_inputs(Path(scratch))
        trained = train_all(Path(scratch), given.seeds, given.steps)
        found = report(judge(Path(scratch), given.seeds))
    print(table(found))
    for name, runs in trained.items():
        found[name]["training_seconds"] = [run["seconds"] for run in runs]
    facts = machine_facts(PACKAGES) | {"seeds": given.seeds, "steps": given.steps, "blocks": blocks}
    facts["tokens"] = given.steps * BATCH * BLOCK
    write_results(given.output, facts | {"variants": found})
    # This form also finds a loss that is not a number.
    worse = [name for name, facts in found.items() if not facts.get("times_the_guide", 0.0) <= 1 + TOLERANCE]
    for name in worse:
        print(f"{name} learns less: more than {TOLERANCE:.0%} above the recipe", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
