"""How long short commands take: start-up, and the time to the first step and the first filled blank.

    python benchmarks/startup.py [--rounds 5] [--output FILE] [--engines torch tf]

Whole processes in interleaved rounds (A B C, A B C), on a model so tiny that its arithmetic takes no time:
this project's commands with each engine; the recipe of Hugging Face up to its first step, and its imports
alone; the fill-mask pipeline. Prepared text comes from the cache of each; the first round fills the caches
and is not counted. Prints seconds, median and spread over rounds. `mlm train` is timed until the first step
is in `metrics.jsonl`, and until the process has ended. The latter includes evaluations before and after,
saving the model and filling a blank.

Then prints which large packages each command of this project has imported. A command may import the framework
in use alone, and without anything to compute neither a framework nor numpy. Exit code 1 if one imports more.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figures import benchmark_parser, machine_facts, write_results
from inputs import write_inputs

from mlm_core.system import markdown

SENTENCE = "If the file does not <mask>, an error is raised."

PIPELINE = {
    "torch": """
import os, sys
os.environ["USE_TF"] = "0"
from transformers import pipeline
pipeline("fill-mask", sys.argv[1])(sys.argv[2])
""",
    "tf": """
import sys
from mlm_core import load_engine
load_engine("tf")  # has transformers ignore accelerate
import mlm_tf
model = mlm_tf.from_pretrained(sys.argv[1])
from transformers import AutoTokenizer, pipeline
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
pipeline("fill-mask", model=model, tokenizer=tokenizer, framework="tf", dtype=None)(sys.argv[2])
""",
}

WORKER = [sys.executable, str(Path(__file__).with_name("startup_worker.py"))]
MLM = [sys.executable, "-m", "mlm_core"]
ENGINES = ("torch", "tf")
HEAVY = ("numpy", "torch", "tensorflow", "tf_keras", "keras", "jax", "transformers", "datasets", "accelerate")
ALLOWED = {
    "torch": {"numpy", "torch", "transformers", "datasets", "accelerate"},
    "tf": {"numpy", "tensorflow", "tf_keras", "keras", "transformers", "datasets"},
}
"""Of the heavy packages, those that an engine's commands may import; tensorflow itself imports keras."""


def commands(directory: Path, engines: list[str]) -> dict[str, list[str]]:
    """Whole processes to time, by name; they need a finished training run of each engine in `directory`."""
    found = {"mlm --version": [*MLM, "--version"], "mlm --help": [*MLM, "--help"]}
    for engine in engines:
        run, own = str(directory / engine), ["--backend", engine]
        found[f"guide's imports, {engine}"] = [*WORKER, "imports", engine]
        found[f"mlm fill, {engine}"] = [*MLM, "fill", run, SENTENCE, *own]
        found[f"pipeline, {engine}"] = [sys.executable, "-c", PIPELINE[engine], run, SENTENCE]
    return found


def train_words(directory: Path, engine: str, run: str) -> list[str]:
    """The arguments of `mlm` that train for one step."""
    words = ["train", "--dataset", str(directory / "text.jsonl"), "--model", str(directory / "tiny")]
    words += ["--from-scratch", "--max-steps", "1", "--test-size", "0.002", "--overwrite", "--quiet"]
    return [*words, "--backend", engine, "--output-dir", str(directory / run)]


def whole(command: list[str], environment: Mapping[str, str]) -> float:
    """Seconds that a process takes.

    Raises:
        SystemExit: the process failed.
    """
    begun = time.perf_counter()
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    taken = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return taken


def training(directory: Path, engine: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Seconds of `mlm train` until its first step is in the metrics, and until it has ended."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        run = Path(scratch) / "run"
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*MLM, *train_words(directory, engine, str(run))], env=dict(environment),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not _stepped(run):
            time.sleep(0.005)
        stepped = time.perf_counter() - begun
        if process.wait() != 0:
            raise SystemExit(f"mlm train with {engine} ended with {process.returncode}")
        ended = time.perf_counter() - begun
    return {f"mlm train, first step, {engine}": stepped, f"mlm train, one step, whole, {engine}": ended}


def _stepped(run: Path) -> bool:
    metrics = run / "metrics.jsonl"
    return metrics.exists() and '"loss"' in metrics.read_text(encoding="utf-8")


def one_round(directory: Path, engines: list[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Run every process once; returns their seconds."""
    found: dict[str, float] = {}
    text, model = str(directory / "text.jsonl"), str(directory / "tiny")
    for engine in engines:
        found |= training(directory, engine, environment)
        found[f"guide, first step, {engine}"] = whole([*WORKER, "guide", engine, text, model], environment)
    for name, command in commands(directory, engines).items():
        found[name] = whole(command, environment)
    return found


def imported(
    directory: Path, engines: list[str], environment: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The heavy packages that commands of this project import, and those of them that they must not."""
    asked: dict[str, tuple[list[str], set[str]]] = {
        "mlm --version": (["--version"], set()),
        "mlm --help": (["--help"], set()),
        "mlm train --help": (["train", "--help"], set()),
        "mlm prepare": (
            ["prepare", "--dataset", str(directory / "text.jsonl"), "--model", str(directory / "tiny"),
             "--from-scratch", "--quiet"],
            {"numpy", "transformers", "datasets"},
        ),
    }  # fmt: skip
    for engine in engines:
        own = ["--backend", engine]
        asked[f"mlm train, {engine}"] = (train_words(directory, engine, engine), ALLOWED[engine])
        asked[f"mlm evaluate, {engine}"] = (["evaluate", str(directory / engine), *own], ALLOWED[engine])
        asked[f"mlm fill, {engine}"] = (["fill", str(directory / engine), SENTENCE, *own], ALLOWED[engine])
    found = {}
    for name, (words, allowed) in asked.items():
        file = directory / "modules.json"
        whole([*WORKER, "modules", str(file), *words], environment)
        heavy = [package for package in json.loads(file.read_text()) if package in HEAVY]
        found[name] = {"imported": heavy, "wrong": [package for package in heavy if package not in allowed]}
    return found


def main() -> int:
    """Measure and print."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        write_inputs(directory)
        environment = os.environ | {
            "MLM_CACHE": f"{scratch}/cache", "HF_DATASETS_CACHE": f"{scratch}/datasets",
            "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true",
        }  # fmt: skip
        # Also leaves the runs that the other commands need.
        packages = imported(directory, given.engines, environment)
        for number in range(given.rounds + 1):
            print(f"round {number} of {given.rounds}", file=sys.stderr)
            for name, value in one_round(directory, given.engines, environment).items():
                seconds.setdefault(name, []).extend([value] if number else [])
    print(table(seconds), end="\n\n")
    print(packages_table(packages))
    facts = machine_facts(("torch", "tensorflow", "transformers", "datasets"))
    outcome = {"rounds": given.rounds, "seconds": seconds, "packages": packages}
    write_results(given.output, facts | outcome)
    return 1 if any(facts["wrong"] for facts in packages.values()) else 0


def table(seconds: Mapping[str, list[float]]) -> str:
    """Times as Markdown."""
    rows = [
        [name, f"{statistics.median(values):.2f} s", f"{min(values):.2f} to {max(values):.2f}"]
        for name, values in seconds.items()
        if values
    ]
    return markdown.table(("", "time", "spread"), rows)


def packages_table(packages: Mapping[str, Mapping[str, Any]]) -> str:
    """What was imported, as Markdown."""
    rows = [
        [name, ", ".join(facts["imported"]) or "none", ", ".join(facts["wrong"]) or "none"]
        for name, facts in packages.items()
    ]
    return markdown.table(("command", "imported", "of these not needed"), rows)


if __name__ == "__main__":
    sys.exit(main())
