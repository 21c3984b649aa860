"""How long commands take that do little: start-up, and time to the first step and the first filled blank.

    python benchmarks/startup.py [--rounds 5] [--output FILE]

Whole processes in turns (A B C A B C): this project's commands with either engine, and the fill-mask pipeline
as the guide has it, on a tiny model, so that what is measured is not the model. Prints seconds, median and
spread over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inputs import write_inputs
from turns import machine_facts

SENTENCE = "If the file does not <mask>, an error is raised."

PIPELINE = {
    "torch": """
import sys
from transformers import pipeline
pipeline("fill-mask", sys.argv[1])(sys.argv[2])
""",
    "tf": """
import sys
from mlm_core import load_engine
load_engine("tf")  # without this transformers does not find its way past accelerate
import mlm_tf
from transformers import AutoTokenizer, pipeline
model = mlm_tf.from_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
pipeline("fill-mask", model=model, tokenizer=tokenizer, framework="tf", dtype=None)(sys.argv[2])
""",
}


def commands(directory: Path) -> dict[str, list[str]]:
    """What is timed, by name; `directory` has the inputs and a run for each engine."""
    mlm = [sys.executable, "-m", "mlm_core"]
    train = ["train", "--dataset", str(directory / "text.jsonl"), "--model", str(directory / "tiny")]
    train += ["--from-scratch", "--max-steps", "1", "--test-size", "0.002", "--overwrite", "--quiet"]
    found = {"mlm --help": [*mlm, "--help"], "mlm --version": [*mlm, "--version"]}
    for engine in ("torch", "tf"):
        run, own = str(directory / engine), ["--backend", engine]
        found[f"mlm train, one step, {engine}"] = [*mlm, *train, *own, "--output-dir", run]
        found[f"mlm fill, {engine}"] = [*mlm, "fill", run, SENTENCE, *own]
        found[f"pipeline, {engine}"] = [sys.executable, "-c", PIPELINE[engine], run, SENTENCE]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch))
        environment = os.environ | {"MLM_CACHE": f"{scratch}/cache", "HF_HUB_OFFLINE": "1"}
        seconds: dict[str, list[float]] = {name: [] for name in commands(Path(scratch))}
        # The first round fills caches, and is not counted.
        for number in range(given.rounds + 1):
            for name, command in commands(Path(scratch)).items():
                begun = time.perf_counter()
                subprocess.run(command, check=True, env=environment, capture_output=True)
                if number:
                    seconds[name].append(time.perf_counter() - begun)
    for name, values in seconds.items():
        print(f"{name:28} {statistics.median(values):6.2f} s ({min(values):.2f} to {max(values):.2f})")
    if given.output:
        facts = machine_facts(("torch", "tensorflow", "transformers", "datasets"))
        given.output.write_text(
            json.dumps(facts | {"rounds": given.rounds, "seconds": seconds}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
