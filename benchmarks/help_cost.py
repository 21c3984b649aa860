"""Processor time of `mlm --help` and of the `--help` of commands, as whole processes.

    python benchmarks/help_cost.py [--runs 10]

Prints one JSON object: seconds of processor time (user and system), as median, minimum and maximum.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

COMMANDS = ([], ["train"], ["evaluate"], ["fill"], ["doctor"])


def processor_time(words: list[str]) -> float:
    """Seconds of processor time of one `mlm WORDS --help`."""
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "mlm_core", *words, "--help"], stdout=subprocess.DEVNULL, check=True
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Measure in interleaved rounds, so that a slow moment of the machine slows every command down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {" ".join(["mlm", *words, "--help"]): [] for words in COMMANDS}
    for _ in range(runs):
        for words, measured in zip(COMMANDS, times.values(), strict=True):
            measured.append(processor_time(words))
    report = {
        name: {"median": statistics.median(found), "minimum": min(found), "maximum": max(found)}
        for name, found in times.items()
    }
    print(
        json.dumps(
            {"unit": "s", "runs": runs, "python": sys.version.split()[0], "commands": report}, indent=2
        )
    )


if __name__ == "__main__":
    main()
