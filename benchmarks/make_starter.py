"""Makes the starter model: trains it with `mlm train` and installs it in `mlm_core/model/starter`.

    python benchmarks/make_starter.py [--run DIR]

The command is `COMMAND` below; it takes about an hour on two cores. `--run` keeps the directory, and resumes
a run that it holds. What is installed: config with the recommended options, tokenizer, weights in float16,
and `recipe.json` with the command, the fingerprint of the text, the curve, the time and the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import machine_facts

from mlm_core.model.weight_files import read_weights, write_weights

STARTER = Path(__file__).parent.parent / "mlm_core" / "model" / "starter"

COMMAND = [
    "train", "--from-scratch", "--dataset", "python:library", "--test-size", "0.02", "--precision", "bf16",
    "--max-steps", "12000", "--seed", "42",
]  # fmt: skip

RECOMMENDED = {"learning_rate": 5e-4, "warmup_steps": 10, "batch_size": 32}
"""For training it further. Of the rates 2e-4, 5e-4, 1e-3 and 2e-3 this one ends the default run with the
lowest perplexity of held-out text."""

_COPIED = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")


def recipe(run: Path) -> dict[str, Any]:
    """How the model of a run was made."""
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    curve = [[line["step"], round(line["eval_perplexity"], 2)] for line in lines if "eval_perplexity" in line]
    machine = machine_facts([])
    return {
        "command": " ".join(["mlm", *COMMAND]),
        "text": {
            name: facts["data"][name] for name in ("source", "fingerprint", "documents", "train_blocks")
        },
        "parameters": sum(array.size for array in read_weights(run).values()),
        "seconds": round(facts["results"]["training_seconds"]),
        "perplexity_of_held_out_text": facts["results"]["perplexity"],
        "accuracy_of_held_out_text": facts["results"]["accuracy"],
        "curve": curve,
        "machine": {name: machine[name] for name in ("processor", "cores", "system")},
        "versions": facts["versions"],
    }


def install(run: Path) -> None:
    """Write the starter's files from a finished run."""
    STARTER.mkdir(exist_ok=True)
    for name in _COPIED:
        shutil.copy(run / name, STARTER / name)
    settings = json.loads((run / "config.json").read_text(encoding="utf-8"))
    # transformers 5 would otherwise compute in the precision of the file.
    settings |= {"dtype": "float32", "mlm_recommended": RECOMMENDED}
    (STARTER / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    halves = {name: array.astype(np.float16) for name, array in read_weights(run).items()}
    write_weights(STARTER / "model.safetensors", halves)
    (STARTER / "recipe.json").write_text(json.dumps(recipe(run), indent=2) + "\n")


def main() -> None:
    """Train, then install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, help="the run's directory; default: a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = given.run or Path(scratch) / "run"
        command = [sys.executable, "-m", "mlm_core", *COMMAND, "--output-dir", str(run), "--resume"]
        subprocess.run(command, check=True)
        install(run)
    size = sum(path.stat().st_size for path in STARTER.iterdir())
    print(f"{STARTER}: {size / 1e6:.2f} MB; now run pytest tests/core/model/test_starter.py tests/command")


if __name__ == "__main__":
    main()
