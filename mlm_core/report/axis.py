"""Axes of charts: ranges, round numbers along them, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MARGIN = 0.05
"""Of the range, left free at both ends."""

_STEEP = 50.0
"""How many times the least value the greatest one is where an axis may become logarithmic."""


@dataclass(frozen=True)
class Axis:
    """A range of numbers on a range of places.

    Attributes:
        low, high: the ends of the numbers; `low` < `high`.
        start, end: the places of `low` and of `high`.
        logarithmic: whether equal ratios are equally far apart; the numbers are then positive.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The place of a value; values beyond an end are at this end."""
        low, high, found = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, found = math.log(low), math.log(high), math.log(found)
        return self.start + (self.end - self.start) * (found - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round numbers within the range."""
        return decades(self.low, self.high) if self.logarithmic else ticks(self.low, self.high)


def axis_of(
    values: Sequence[float], start: float, end: float, *, margin: bool = True, steep: bool = False
) -> Axis:
    """The axis on which all values are visible.

    Args:
        values: at least one finite number.
        start, end: the places of its ends.
        margin: leave some room at both ends.
        steep: the axis may become logarithmic, where positive values differ by a large factor.
    """
    low, high = min(values), max(values)
    if steep and low > 0 and high / low > _STEEP:
        return Axis(low / 1.2, high * 1.2, start, end, logarithmic=True)
    room = (high - low) * _MARGIN if margin else 0.0
    # Of numbers next to 0 a fraction is 0.
    if high - low <= max(abs(high) * 1e-9, 1e-300):
        room = abs(high) * _MARGIN or 1.0
    return Axis(low - room, high + room, start, end)


def ticks(low: float, high: float) -> list[float]:
    """Two to seven round numbers between `low` and `high`."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten between `low` and `high`, at most seven; of a short range also 2 and 5 of each."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first + 1) / 7))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    found = [factor * 10.0**power for power in range(first, last + 1, every) for factor in factors]
    return [value for value in found if low <= value <= high]


def number(value: float) -> str:
    """A number for an axis or a label, short: 0.00012, 2.345, 12,345, 1.2e+08."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"


def short(value: float) -> str:
    """A number beside an axis: 20k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # Below ten thousand the digits are as short.
        if max(size, 1e4) <= abs(value) < 1e12:
            return f"{value / size:.4g}{letter}"
    return number(value)
