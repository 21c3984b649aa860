"""What two sides made of every architecture, and the README's table of it.

python tests/architectures/outcomes.py README.md     runs everything and brings the table up to date
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
from mlm_core.parity.worker import read_side
from mlm_core.system import markdown

HERE = Path(__file__).parent
SECTION = "architectures"
"""The section of the README that holds the table."""


@dataclass(frozen=True)
class Side:
    """An engine in an environment.

    Attributes:
        name: of its outcomes' files.
        backend: the engine.
        python: the interpreter of the environment.
    """

    name: str
    backend: str
    python: str = sys.executable


ENGINES = (Side("torch", "torch"), Side("tf", "tf"))


@dataclass(frozen=True)
class Outcome:
    """What became of one architecture.

    Attributes:
        name: its model type.
        failures: why a side has no result.
        comparison: of the two trainings; None where there is none.
        apart: how far the logits of what a side trained are from its own where it is opened, by both names.
        keyed: sides whose dropout is a function of its key.
    """

    name: str
    failures: list[str]
    comparison: Comparison | None
    apart: dict[tuple[str, str], float]
    keyed: set[str]

    @property
    def row(self) -> list[str]:
        """The architecture's row in the README."""
        names = tuple(side.name for side in ENGINES)
        good = [self.apart.get(pair, np.inf) <= LOGITS for pair in (names, names[::-1])]
        good += [self.comparison is not None and self.comparison.agrees, self.keyed == set(names)]
        return [self.name, *("✓" if fine else "no" for fine in good)]


def table(outcomes: list[Outcome]) -> str:
    """All rows, as Markdown."""
    head = ["architecture", "PyTorch's weights in TensorFlow", "TensorFlow's in PyTorch", "training", "noise"]
    return markdown.table(head, [outcome.row for outcome in outcomes])


def collect(
    directory: Path, sides: tuple[Side, Side] = ENGINES, readers: Sequence[Side] = ENGINES
) -> list[Outcome]:
    """Train on two sides at a time, then let every reader open what came of both."""
    text = directory / "documents.jsonl"
    text.write_text("".join(json.dumps({"text": line}) + "\n" for line in sentences(120)))
    _run("train", sides, directory, str(text))
    _run("open", readers, directory, *(side.name for side in sides))
    return [_outcome(directory / name, sides, readers) for name in SETTINGS]


def _run(task: str, sides: Sequence[Side], directory: Path, *more: str) -> None:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "MLM_CACHE": str(directory / "cache"),
        "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE.parent / "contract"))),
    }
    script = [str(HERE / "engine_side.py"), task]
    running = [
        subprocess.Popen(
            [side.python, *script, side.backend, side.name, str(directory), *more], env=environment
        )
        for side in sides
    ]
    codes = [process.wait() for process in running]
    assert codes == [0] * len(sides), f"{task} ended with {codes}"


def _outcome(place: Path, sides: tuple[Side, Side], readers: Sequence[Side]) -> Outcome:
    failures = [path.read_text() for path in sorted(place.glob("*.failed"))]
    if failures:
        return Outcome(place.name, failures, None, {}, set())
    valid = padded_batch()["attention_mask"] == 1
    apart = {}
    for side in sides:
        for reader in readers:
            own, opened = (np.load(place / f"{side.name}-in-{where.name}.npy") for where in (side, reader))
            apart[side.name, reader.name] = float(np.abs(own - opened)[valid].max())
    one, other = (read_side(side.name, place / side.name) for side in sides)
    keyed = {side.name for side in sides if json.loads((place / f"{side.name}.keyed").read_text())}
    return Outcome(place.name, failures, compare(one, other), apart, keyed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        found = collect(Path(scratch))
    markdown.update_section(Path(sys.argv[1]), SECTION, table(found))
    print(table(found))
