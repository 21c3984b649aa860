"""The README's picture: the training loss of `mlm train` on both engines, in one chart.

    python benchmarks/loss_curves.py [--output docs/images/losses.svg] [options of mlm train]

Trains with PyTorch and with TensorFlow, one after the other, each in a process of its own, with the default
options or those that follow. Draws the two curves as SVG, PyTorch's whole and TensorFlow's with gaps. Prints
the largest relative difference of a step's loss, and whether all batches had the same digests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlm_core.report.lines import Curve, lines
from mlm_core.report.thinning import points_of

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "losses.svg"
ENGINES = {"torch": "PyTorch", "tf": "TensorFlow"}

Lines = list[dict[str, Any]]


def trained(engine: str, options: list[str], directory: Path) -> Lines:
    """The lines of the steps of a run."""
    command = [sys.executable, "-m", "mlm_core", "train", "--backend", engine, *options]
    command += ["--quiet", "--output-dir", str(directory / engine)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    written = (directory / engine / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, written) if "loss" in line]


def picture(runs: dict[str, Lines]) -> str:
    """The chart of the runs' losses, as SVG."""
    curves = [
        Curve(ENGINES[engine], points_of([(line["step"], line["loss"]) for line in steps]))
        for engine, steps in runs.items()
    ]
    return lines("Training loss", "step", curves, dashed=True).picture()


def difference(runs: dict[str, Lines]) -> str:
    """How far the losses are apart, in a sentence."""
    one, other = runs.values()
    apart = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(one, other, strict=True))
    same = all(a["batch_digest"] == b["batch_digest"] for a, b in zip(one, other, strict=True))
    return f"{len(one)} steps, losses {apart:.1e} apart at most, {'the same' if same else 'OTHER'} batches"


def main() -> None:
    """Train, draw and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=PICTURE, metavar="FILE")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as directory:
        runs = {engine: trained(engine, options, Path(directory)) for engine in ENGINES}
    arguments.output.write_text(picture(runs), encoding="utf-8")
    print(difference(runs))


if __name__ == "__main__":
    main()
