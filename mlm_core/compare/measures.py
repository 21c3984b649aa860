"""Numbers of a variant and of two: medians, intervals, and when a difference is none."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
"""Of the rounds, for an interval; its ends are then right to a hundredth of its width or so."""

_SEED = 0

TIE = 0.02
"""A ratio nearer to 1 than this is a tie, however sure it is: the same program twice differs by as much."""

FEWEST_ROUNDS = 5
"""Of fewer, the ends of the interval are hardly more than the lowest and the highest of them."""

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Ratio:
    """How many times faster one variant is than another.

    Attributes:
        value: ratio of the medians over rounds.
        low, high: ends of the 95% interval.
        verdict: "faster", "slower" or "tie"; "unclear" of fewer rounds than `FEWEST_ROUNDS`.
    """

    value: float
    low: float
    high: float
    verdict: str


def tokens_per_second(rounds: Sequence[Sequence[dict[str, Any]]], tokens_in_a_step: int) -> list[float]:
    """Of every round: its steps' tokens over its steps' time."""
    return [tokens_in_a_step * len(steps) / sum(step["seconds"] for step in steps) for steps in rounds]


def ratio(one: Sequence[float], other: Sequence[float], *, paired: bool = True) -> Ratio:
    """Rates of one variant over those of another, round by round.

    The interval is the bootstrap's (Efron 1979, percentiles): rounds are drawn with replacement. Where they
    are of the same comparison both columns' are drawn at once, as what slows the machine down in a round
    slows both; else (`paired=False`) each by itself.
    """
    draw = np.random.default_rng(_SEED)
    if paired:
        count = min(len(one), len(other))
        one, other = one[:count], other[:count]
    first, second = np.array(one), np.array(other)
    rows = draw.integers(len(first), size=(RESAMPLES, len(first)))
    others = rows if paired else draw.integers(len(second), size=(RESAMPLES, len(second)))
    ratios = np.median(first[rows], axis=1) / np.median(second[others], axis=1)
    low, high = _ends(ratios)
    value = statistics.median(first) / statistics.median(second)
    few = min(len(first), len(second)) < FEWEST_ROUNDS
    return Ratio(float(value), low, high, "unclear" if few else _verdict(float(value), low, high))


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _verdict(value: float, low: float, high: float) -> str:
    if low <= 1 <= high or abs(value - 1) < TIE:
        return "tie"
    return "faster" if value > 1 else "slower"


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Step times at `PERCENTILES`, as {"p50": seconds}."""
    return {f"p{share}": float(np.percentile(seconds, share)) for share in PERCENTILES}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}
