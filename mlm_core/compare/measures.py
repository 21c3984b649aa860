"""Statistics of variants: medians, ratios with intervals, and when a ratio is a tie."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
"""Bootstrap samples of the rounds; the ends of the interval are then exact to about 1% of its width."""

_SEED = 0

TIE = 0.02
"""A ratio nearer to 1 than this is a tie, whatever its interval: two runs of the same program differ by as
much."""

FEWEST_ROUNDS = 5
"""With fewer rounds, the ends of the interval are little more than the lowest and the highest round."""

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Ratio:
    """How many times faster one variant is than another.

    Attributes:
        value: ratio of the medians over the rounds.
        low, high: the ends of its 95% interval.
        verdict: "faster", "slower" or "tie"; "unclear" with fewer rounds than `FEWEST_ROUNDS`.
    """

    value: float
    low: float
    high: float
    verdict: str


def tokens_per_second(rounds: Sequence[Sequence[dict[str, Any]]], tokens_in_a_step: int) -> list[float]:
    """The rate of each round: the tokens of its steps over the seconds of its steps."""
    return [tokens_in_a_step * len(steps) / sum(step["seconds"] for step in steps) for steps in rounds]


def ratio(one: Sequence[float], other: Sequence[float], *, paired: bool = True) -> Ratio:
    """The ratio of two variants' rates.

    The interval is the percentile bootstrap (Efron 1979): rounds are drawn with replacement.

    Args:
        one, other: rates, round by round.
        paired: whether the rounds are of the same comparison. Both variants' rounds are then drawn together,
            because what slows the machine down in a round slows both; otherwise each variant's are drawn
            alone.
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
    """Step times at `PERCENTILES`, for example {"p50": seconds}."""
    return {f"p{share}": float(np.percentile(seconds, share)) for share in PERCENTILES}


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the lowest and the highest value."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}
