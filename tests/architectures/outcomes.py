"""What both engines made of every architecture, and the README's table of it.

python tests/architectures/outcomes.py README.md     runs everything and brings the table up to date
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from architectures import BACKENDS, SETTINGS, padded_batch
from tiny_models import sentences

from mlm_core.parity.comparison import LOGITS, Comparison, compare
from mlm_core.parity.side import read_side

HERE = Path(__file__).parent
BEGIN, END = "<!-- architectures -->", "<!-- end of architectures -->"


@dataclass(frozen=True)
class Outcome:
    """What became of one architecture.

    Attributes:
        name: its model type.
        failures: why an engine has no result.
        comparison: of the two trainings; None where there is none.
        apart: how far the logits of what an engine trained are from its own in the other one.
        keyed: engines whose dropout is a function of its key.
    """

    name: str
    failures: list[str]
    comparison: Comparison | None
    apart: dict[str, float]
    keyed: set[str]

    @property
    def row(self) -> str:
        """The architecture's row in the README."""
        good = [self.apart.get(backend, np.inf) <= LOGITS for backend in BACKENDS]
        good += [self.comparison is not None and self.comparison.agrees, self.keyed == set(BACKENDS)]
        return f"| {self.name} | " + " | ".join("✓" if fine else "no" for fine in good) + " |"


def table(outcomes: list[Outcome]) -> str:
    """All rows, as Markdown."""
    head = ["architecture", "PyTorch's weights in TensorFlow", "TensorFlow's in PyTorch", "training", "noise"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(outcome.row for outcome in outcomes)])


def with_table(readme: str, outcomes: list[Outcome]) -> str:
    """A README with its table brought up to date."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(outcomes)}\n{END}{after}"


def collect(directory: Path) -> list[Outcome]:
    """Run both engines side by side, then let each open what both trained."""
    text = directory / "documents.jsonl"
    text.write_text("".join(json.dumps({"text": line}) + "\n" for line in sentences(120)))
    _run_both("train", directory, str(text))
    _run_both("open", directory)
    return [_outcome(directory / name) for name in SETTINGS]


def _run_both(task: str, directory: Path, *more: str) -> None:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "MLM_CACHE": str(directory / "cache"),
        "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE.parent / "contract"))),
    }
    script = [sys.executable, str(HERE / "engine_side.py"), task]
    running = [
        subprocess.Popen([*script, backend, str(directory), *more], env=environment) for backend in BACKENDS
    ]
    codes = [process.wait() for process in running]
    assert codes == [0] * len(BACKENDS), f"{task} ended with {codes}"


def _outcome(place: Path) -> Outcome:
    failures = [path.read_text() for path in sorted(place.glob("*.failed"))]
    if failures:
        return Outcome(place.name, failures, None, {}, set())
    valid = padded_batch()["attention_mask"] == 1
    apart = {}
    for backend, other in (BACKENDS, BACKENDS[::-1]):
        own, opened = (np.load(place / f"{backend}-in-{where}.npy") for where in (backend, other))
        apart[backend] = float(np.abs(own - opened)[valid].max())
    sides = [read_side(backend, place / backend) for backend in BACKENDS]
    keyed = {backend for backend in BACKENDS if json.loads((place / f"{backend}.keyed").read_text())}
    return Outcome(place.name, failures, compare(*sides), apart, keyed)


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        found = collect(Path(scratch))
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), found), encoding="utf-8")
    print(table(found))
