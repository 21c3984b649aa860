"""The outcomes of two workers for every architecture, and the table of them in the documentation.

python tests/architectures/outcomes.py docs/parity.md     runs everything and updates the table
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from architectures import SETTINGS, padded_batch
from tiny_models import sentences

from mlm_core.parity.comparison import LOGITS, Comparison, compare
from mlm_core.parity.worker import read_result
from mlm_core.system import markdown

HERE = Path(__file__).parent
SECTION = "architectures"
"""The section of the page that holds the table."""


@dataclass(frozen=True)
class Worker:
    """An engine in an environment.

    Attributes:
        name: the name of its outcomes' files.
        backend: the engine's name.
        python: the interpreter of the environment.
    """

    name: str
    backend: str
    python: str = sys.executable


ENGINES = (Worker("torch", "torch"), Worker("tf", "tf"))


@dataclass(frozen=True)
class Outcome:
    """The outcome for one architecture.

    Attributes:
        name: the model type.
        failures: the reasons why a worker has no result.
        comparison: the comparison of the two trainings; None: a worker has no result.
        apart: by the names of a worker and a reader, the largest difference between the logits that they
            compute with the model that the worker trained.
        keyed: names of the workers whose dropout noise depends on its key only.
    """

    name: str
    failures: list[str]
    comparison: Comparison | None
    apart: dict[tuple[str, str], float]
    keyed: set[str]

    @property
    def row(self) -> list[str]:
        """The architecture's row in the table."""
        names = tuple(worker.name for worker in ENGINES)
        good = [self.apart.get(pair, np.inf) <= LOGITS for pair in (names, names[::-1])]
        good += [self.comparison is not None and self.comparison.agrees, self.keyed == set(names)]
        return [self.name, *("✓" if fine else "no" for fine in good)]


def table(outcomes: list[Outcome]) -> str:
    """All rows, as Markdown."""
    head = ["architecture", "PyTorch's weights in TensorFlow", "TensorFlow's in PyTorch", "training", "noise"]
    return markdown.table(head, [outcome.row for outcome in outcomes])


def collect(
    directory: Path, workers: tuple[Worker, Worker] = ENGINES, readers: Sequence[Worker] = ENGINES
) -> list[Outcome]:
    """Train in two workers side by side, then let every reader open what both trained."""
    text = directory / "documents.jsonl"
    text.write_text("".join(json.dumps({"text": line}) + "\n" for line in sentences(120)))
    _run("train", workers, directory, str(text))
    _run("open", readers, directory, *(worker.name for worker in workers))
    return [_outcome(directory / name, workers, readers) for name in SETTINGS]


def _run(task: str, workers: Sequence[Worker], directory: Path, *more: str) -> None:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "MLM_CACHE": str(directory / "cache"),
        "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE.parent / "contract"))),
    }
    script = [str(HERE / "engine_worker.py"), task]
    running = [
        subprocess.Popen(
            [worker.python, *script, worker.backend, worker.name, str(directory), *more], env=environment
        )
        for worker in workers
    ]
    codes = [process.wait() for process in running]
    assert codes == [0] * len(workers), f"{task} ended with {codes}"


def _outcome(place: Path, workers: tuple[Worker, Worker], readers: Sequence[Worker]) -> Outcome:
    failures = [path.read_text() for path in sorted(place.glob("*.failed"))]
    if failures:
        return Outcome(place.name, failures, None, {}, set())
    valid = padded_batch()["attention_mask"] == 1
    apart = {}
    for worker in workers:
        for reader in readers:
            own, opened = (
                np.load(place / f"{worker.name}-in-{where.name}.npy") for where in (worker, reader)
            )
            apart[worker.name, reader.name] = float(np.abs(own - opened)[valid].max())
    one, other = (read_result(worker.name, place / worker.name) for worker in workers)
    keyed = {worker.name for worker in workers if json.loads((place / f"{worker.name}.keyed").read_text())}
    return Outcome(place.name, failures, compare(one, other), apart, keyed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        found = collect(Path(scratch))
    markdown.update_section(Path(sys.argv[1]), SECTION, table(found))
    print(table(found))
