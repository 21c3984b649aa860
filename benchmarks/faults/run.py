"""Harms runs in drawn ways and tells what became of each: finished, resumed to the same bytes, or refused.

    python benchmarks/faults/run.py --output-dir faults [--faults 200] [--backends torch,tf]

Kills, signals, full disks, limits, files that cannot be read or that vanish or change, two processes in one
directory, a directory that is moved, a run that replaces another. The number of a fault draws everything
about it. A fault is "lost" if an earlier run, a file of the user's or a step is lost, if the weights or the
metrics differ from those of a run that never failed, if a process hangs, or if a traceback is printed; its
directory then stays. Outcomes are appended to ENGINE/faults.jsonl. Started again on the same directory, the
program does the faults that are missing. The exit code is 1 if anything is lost.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mlm_core.system import markdown

OUTCOMES = ("finished", "resumed", "refused", "lost")


def table(faults: list[dict[str, str]]) -> str:
    """How many faults of each kind had each outcome, by engine, as Markdown."""
    counts = Counter((fault["engine"], fault["kind"], fault["outcome"]) for fault in faults)
    rows = [
        [engine, kind, *(str(counts[engine, kind, outcome]) for outcome in OUTCOMES)]
        for engine, kind in sorted({(fault["engine"], fault["kind"]) for fault in faults})
    ]
    total = Counter(fault["outcome"] for fault in faults)
    rows.append(["all", str(len(faults)), *(str(total[outcome]) for outcome in OUTCOMES)])
    return markdown.table(["engine", "kind", *OUTCOMES], rows)


def known(log: Path) -> list[dict[str, str]]:
    """The outcomes in a log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def main() -> int:
    """Run one worker for each engine, side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--faults", type=int, default=200, help="of all engines together")
    parser.add_argument("--backends", default="torch,tf")
    given = parser.parse_args()
    backends = given.backends.split(",")
    share = -(-given.faults // len(backends))
    workers = []
    for backend in backends:
        directory = (given.output_dir / backend).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), "--backend", backend]
        command += ["--directory", str(directory), "--numbers", f"0:{share}"]
        workers.append(subprocess.Popen(command))
    failed = [worker.wait() for worker in workers]
    faults = [fault for backend in backends for fault in known(given.output_dir / backend / "faults.jsonl")]
    print(table(faults))
    return int(any(failed) or any(fault["outcome"] == "lost" for fault in faults))


if __name__ == "__main__":
    sys.exit(main())
