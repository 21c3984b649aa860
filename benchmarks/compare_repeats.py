"""Whether repeated comparisons agree: how many pairs of their intervals overlap.

    python benchmarks/compare_repeats.py [--times 5] [--output FILE] [option of mlm compare ...]

Runs `mlm compare` `--times` times, one after the other, and compares the 95% intervals of every variant's
speed relative to the first variant. If the intervals are right, nearly all pairs from one machine overlap.
Exit code 1 if fewer than 9 of 10 pairs do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

from figures import write_results

LEAST = 0.9


def compare(directory: Path, options: list[str]) -> tuple[dict[str, dict[str, float]], float]:
    """Run a comparison; returns the speeds by variant, and the seconds it took.

    Raises:
        SystemExit: the comparison failed.
    """
    begun = time.perf_counter()
    command = [sys.executable, "-m", "mlm_core", "compare", "--output-dir", str(directory), "--quiet"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr[-2000:])
    (point,) = json.loads((directory / "report.json").read_text(encoding="utf-8"))["points"]
    return {found["column"]: found["speed"] for found in point["comparisons"]}, time.perf_counter() - begun


def overlaps(reports: list[dict[str, dict[str, float]]]) -> list[bool]:
    """Whether the intervals overlap, for every variant in every pair of reports."""
    return [
        one[variant]["low"] <= other[variant]["high"] and other[variant]["low"] <= one[variant]["high"]
        for one, other in combinations(reports, 2)
        for variant in one
    ]


def main() -> int:
    """Compare repeatedly and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the results as JSON")
    given, options = parser.parse_known_args()
    reports: list[dict[str, dict[str, float]]] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(given.times):
            speeds, taken = compare(Path(scratch) / str(number), options)
            reports.append(speeds)
            seconds.append(taken)
            for variant, speed in speeds.items():
                interval = f"{speed['low']:.3f} to {speed['high']:.3f}"
                print(f"{variant}: {speed['value']:.3f}, {interval}, {taken:.0f} s", flush=True)
    found = overlaps(reports)
    print(f"{sum(found)} of {len(found)} pairs overlap")
    content: dict[str, Any] = {"reports": reports, "seconds": seconds, "overlapping": sum(found)}
    write_results(given.output, content | {"pairs": len(found)})
    return 0 if sum(found) >= LEAST * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
