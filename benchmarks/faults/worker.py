"""The faults of one engine: loads the framework once, then forks every training."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ground import Ground
from kinds import KINDS


def write_inputs(directory: Path) -> None:
    """Write a tiny model and text, in a process of its own: it imports transformers for another framework."""
    program = """
import json, sys
from pathlib import Path
import tiny_models
directory = Path(sys.argv[1])
tiny_models.write_model(directory / "model", "roberta")
rows = [json.dumps({"text": text}) for text in tiny_models.sentences(200)]
(directory / "text.jsonl").write_text("\\n".join(rows) + "\\n")
"""
    tests = str(Path(__file__).parents[2] / "tests")
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    directory.mkdir(parents=True)
    command = [sys.executable, "-c", program, str(directory)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": paths})


def load(backend: str) -> None:
    """Import what a training imports; compute nothing, so that no thread is running when it forks."""
    import datasets  # noqa: F401

    from mlm_core import load_engine

    engine = load_engine(backend)
    engine.prepare_process()
    engine._trainer_class()
    engine._network_class()


def fault(backend: str, number: int, directory: Path, whole: Path) -> dict[str, object]:
    """Do one fault; its number draws its kind and everything about it."""
    draw = random.Random(f"{backend} {number}")
    name = list(KINDS)[number % len(KINDS)]
    own_cache = name in ("prepared text changed", "calls that fail", "limited")
    cache = None if own_cache else directory / "cache"
    ground = Ground(backend, directory / "inputs", directory / f"fault-{number}", cache)
    begun = time.monotonic()
    try:
        outcome = KINDS[name](ground, whole, draw)
    except Exception as error:
        outcome = "lost"
        ground.trouble.append(f"the program itself failed: {error!r}")
    outcome = "lost" if ground.trouble else outcome
    if not ground.trouble:
        shutil.rmtree(ground.directory)
    seconds = round(time.monotonic() - begun, 1)
    known = {"engine": backend, "number": number, "kind": name, "outcome": outcome}
    return known | {"seconds": seconds, "trouble": ground.trouble}


def main() -> None:
    """Do the faults with the given numbers that are missing in the log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--numbers", required=True, help="FIRST:LAST")
    given = parser.parse_args()
    directory, log = given.directory, given.directory / "faults.jsonl"
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    if not (directory / "inputs").is_dir():
        write_inputs(directory / "inputs")
    load(given.backend)
    whole = directory / "whole"
    if not (whole / "run" / "model.safetensors").is_file():
        reference = Ground(given.backend, directory / "inputs", whole, directory / "cache")
        if reference.check(reference.start()) != 0:
            raise SystemExit(f"a run without faults fails: {reference.trouble}")
    done = {json.loads(line)["number"] for line in log.read_text().splitlines()} if log.exists() else set()
    first, last = map(int, given.numbers.split(":"))
    for number in range(first, last):
        if number not in done:
            outcome = fault(given.backend, number, directory, whole / "run")
            with log.open("a") as file:
                file.write(json.dumps(outcome) + "\n")
            print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
