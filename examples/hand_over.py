"""Train in PyTorch, go on in TensorFlow, and go back: one run, one epoch in each.

    python examples/hand_over.py
    python examples/hand_over.py --dataset posts.jsonl --model distilbert/distilroberta-base

Every stage is a process of its own, as a process holds one framework. Other options are those of `mlm train`.
With dropout off and a constant learning rate, the run is the one that a single engine would have made, but
for rounding.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

STAGES = ("torch", "tf", "torch")
TEXT = "If the file does not <mask>, an error is raised."


def main() -> None:
    """Train the stages, then compare what both engines make of the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--output-dir", default="runs/hand-over", help="directory of the run")
    parser.add_argument("--text", default=TEXT, help="a sentence with <mask>, for the comparison of logits")
    ours, options = parser.parse_known_args()

    if Path(ours.output_dir).exists():
        sys.exit(f"{ours.output_dir} exists; give another directory with --output-dir, or remove it")
    for epochs, backend in enumerate(STAGES, 1):
        done = train(backend, epochs, ours.output_dir, options)
        print(f"epoch {epochs}, {backend:5}  perplexity {done['perplexity']:.3f} after {done['steps']} steps")

    found = {backend: logits(backend, ours.output_dir, ours.text) for backend in ("torch", "tf")}
    apart = np.abs(found["torch"] - found["tf"]).max()
    print(f"logits of {ours.text!r}: {apart:.1e} apart at most, of up to {np.abs(found['torch']).max():.1f}")


def train(backend: str, epochs: int, run: str, options: list[str]) -> dict:
    """Begin the run, or go on with it until it has seen the text so many times."""
    command = ["train", "--backend", backend, "--output-dir", run, "--epochs", str(epochs), "--json"]
    if epochs == 1:
        command += ["--lr-scheduler", "constant", "--dropout", "0", *options]
    else:
        # The other options are in the run's record.
        command += ["--resume", "--allow-change", "epochs"]
    return json.loads(python("-m", "mlm_core", *command))


def logits(backend: str, run: str, text: str) -> np.ndarray:
    """The logits `[tokens, vocabulary]` that an engine computes for a text."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "logits.npy"
        python("-c", LOGITS, backend, run, text, str(file))
        return np.load(file)


LOGITS = """
import sys
import numpy as np
from mlm_core import load_engine
backend, run, text, file = sys.argv[1:]
np.save(file, load_engine(backend).predictor(run).logits(text)[0])
"""


def python(*words: str) -> str:
    """Run Python in a process of its own; returns what it prints."""
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        # It has said what was wrong.
        sys.exit(done.returncode)
    return done.stdout


if __name__ == "__main__":
    main()
