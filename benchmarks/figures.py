"""Rates, ratios and tables of variants that took turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Found = dict[str, dict[str, Any]]
"""What `take_turns` returns."""


def add_rates(found: Found, unit: str, amount: Callable[[str], float], guide: Callable[[str], str]) -> Found:
    """Add rates, their spread, and how many times the guide's they are, round by round.

    Args:
        found: what `take_turns` returned.
        unit: what is counted; the rate's name is `UNIT_per_second`.
        amount: how much of it a variant's unit of work is.
        guide: the variant that a variant is compared with.
    """
    for name, facts in found.items():
        if "seconds" not in facts:
            continue
        rates = sorted(amount(name) / seconds for seconds in facts["seconds"])
        facts |= {f"{unit}_per_second": statistics.median(rates), "spread": [rates[0], rates[-1]]}
        other = guide(name)
        theirs = found.get(other, {}).get("seconds")
        if theirs:
            weight = amount(name) / amount(other)
            pairs = zip(theirs, facts["seconds"], strict=True)
            facts["times_the_guide"] = statistics.median(weight * their / own for their, own in pairs)
    return found


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def cells(name: str, facts: Mapping[str, Any], unit: str, digits: int = 1) -> list[str]:
    """A variant's name, rate, spread and ratio, or its problem."""
    if "problem" in facts:
        return [name, facts["problem"][:60], "", ""]
    low, high = facts["spread"]
    times = f"{facts['times_the_guide']:.2f}" if "times_the_guide" in facts else ""
    rate = facts[f"{unit}_per_second"]
    return [name, f"{rate:,.{digits}f}", f"{low:,.{digits}f} to {high:,.{digits}f}", times]
