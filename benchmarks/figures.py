"""What the benchmarks share: options, rates and ratios of variants, and the file of results."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlm_core.system.machine import cores, processor_name
from mlm_core.system.versions import installed_versions

Found = dict[str, dict[str, Any]]
"""What `run_variants` returns."""


def add_rates(
    found: Found, unit: str, amount: Callable[[str], float], baseline: Callable[[str], str]
) -> None:
    """Add to each variant its rate, the spread, and how many times the baseline's rate that is.

    Args:
        found: what `run_variants` returned. Variants that failed stay as they are.
        unit: what is counted; the rate is called `UNIT_per_second`.
        amount: how much of it a unit of work of a variant is.
        baseline: the variant that a variant is compared with, round by round: the recipe of Hugging Face.
    """
    for name, facts in found.items():
        if "seconds" not in facts:
            continue
        rates = sorted(amount(name) / seconds for seconds in facts["seconds"])
        facts |= {f"{unit}_per_second": statistics.median(rates), "spread": [rates[0], rates[-1]]}
        other = baseline(name)
        theirs = found.get(other, {}).get("seconds")
        if theirs:
            weight = amount(name) / amount(other)
            pairs = zip(theirs, facts["seconds"], strict=True)
            facts["times_the_guide"] = statistics.median(weight * their / own for their, own in pairs)


def cells(name: str, facts: Mapping[str, Any], unit: str, digits: int = 1) -> list[str]:
    """A variant's name, rate, spread and ratio, or its problem."""
    if "problem" in facts:
        return [name, facts["problem"][:90], "", ""]
    low, high = facts["spread"]
    times = f"{facts['times_the_guide']:.2f}" if "times_the_guide" in facts else ""
    rate = facts[f"{unit}_per_second"]
    return [name, f"{rate:,.{digits}f}", f"{low:,.{digits}f} to {high:,.{digits}f}", times]


def benchmark_parser(description: str | None, rounds: str | None = None) -> argparse.ArgumentParser:
    """A parser with `--rounds` and `--output`; `rounds` is a remark on the first one."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help=rounds)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the results as JSON")
    return parser


def machine_facts(packages: Sequence[str]) -> dict[str, Any]:
    """What a figure was measured on: processor, cores, versions of these packages."""
    return {
        "processor": processor_name(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": installed_versions(packages),
    }


def write_results(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write results as JSON; None: do not."""
    if path is not None:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
