"""Fewer points of a long curve: neighbours become one point, with their mean and their range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST = 1e100
"""Numbers beyond this, which no training has, are not drawn: their differences need not be finite."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve, which may stand for several neighbours.

    Attributes:
        x: the middle of the neighbours' places.
        y: their mean.
        low, high: their least and greatest value.
        count: how many they are.
    """

    x: float
    y: float
    low: float
    high: float
    count: int = 1


def points_of(pairs: Sequence[tuple[float, float | None]]) -> list[Point]:
    """Points of (x, y) pairs, in the order of x; pairs that cannot be drawn are left out."""
    known = sorted((float(x), float(y)) for x, y in pairs if y is not None and _drawable(x) and _drawable(y))
    return [Point(x, y, y, y) for x, y in known]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points; each stands for as many neighbours, but for the last."""
    each = math.ceil(len(points) / most) if points else 1
    if each == 1:
        return list(points)
    return [_joined(points[start : start + each]) for start in range(0, len(points), each)]


def smoothed(points: Sequence[Point], window: int) -> list[Point]:
    """The running mean over `window` points, each place in the middle of its window."""
    half = window // 2
    if half == 0:
        return list(points)
    found = []
    for index, point in enumerate(points):
        # The same number on both sides: at the ends of a steep curve the mean would lean otherwise.
        reach = min(half, index, len(points) - 1 - index)
        near = points[index - reach : index + reach + 1]
        mean = math.fsum(other.y / len(near) for other in near)
        found.append(Point(point.x, mean, point.low, point.high, point.count))
    return found


def spread_evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers from 0 to `count` - 1, evenly spread, with the first and the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})


def _joined(points: Sequence[Point]) -> Point:
    return Point(
        (points[0].x + points[-1].x) / 2,
        math.fsum(point.y / len(points) for point in points),
        min(point.low for point in points),
        max(point.high for point in points),
        sum(point.count for point in points),
    )


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= LARGEST
