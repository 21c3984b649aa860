"""Fewer points of a long curve: neighbours become one point, with their mean and their range."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
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
        weight: how much they count in a mean, together.
    """

    x: float
    y: float
    low: float
    high: float
    count: int = 1
    weight: float = 1.0


def points_of(
    pairs: Sequence[tuple[float, float | None]], weights: Sequence[float | None] = ()
) -> list[Point]:
    """Points of (x, y) pairs, in the order of x; pairs that cannot be drawn are left out.

    Args:
        pairs: the places and the values.
        weights: how much each counts in a mean; one that is unknown counts as 1.
    """
    known = sorted(
        (float(x), float(y), _weight(weight))
        for (x, y), weight in zip(pairs, weights or [1.0] * len(pairs), strict=True)
        if y is not None and _drawable(x) and _drawable(y)
    )
    return [Point(x, y, y, y, weight=weight) for x, y, weight in known]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points; each stands for as many neighbours, but for the last."""
    each = math.ceil(len(points) / most) if points else 1
    if each == 1:
        return list(points)
    return [_joined(points[start : start + each]) for start in range(0, len(points), each)]


def smoothed(points: Sequence[Point], window: int, middle: Callable[[Sequence[Point]], float]) -> list[Point]:
    """A running middle over `window` points, each place in the middle of its window."""
    half = window // 2
    if half == 0:
        return list(points)
    found = []
    for index, point in enumerate(points):
        # The same number on both sides: at the steep beginning of a curve the mean would lean otherwise. At
        # its end it is flat, and one value must not stand for all.
        near = points[index - min(half, index) : index + min(half, index) + 1]
        found.append(Point(point.x, middle(near), point.low, point.high))
    return found


def mean(points: Sequence[Point]) -> float:
    """The mean of the points, by their weights."""
    total = math.fsum(point.weight for point in points)
    # Divided first: a sum of great numbers need not be finite.
    return math.fsum(point.y * (point.weight / total) for point in points)


def median(points: Sequence[Point]) -> float:
    """The median of the points."""
    return statistics.median(point.y for point in points)


def spread_evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers from 0 to `count` - 1, evenly spread, with the first and the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})


def _joined(points: Sequence[Point]) -> Point:
    return Point(
        (points[0].x + points[-1].x) / 2,
        mean(points),
        min(point.low for point in points),
        max(point.high for point in points),
        sum(point.count for point in points),
        math.fsum(point.weight for point in points),
    )


def _weight(weight: float | None) -> float:
    return float(weight) if weight is not None and 0 < weight <= LARGEST else 1.0


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= LARGEST
