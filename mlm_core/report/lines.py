"""Charts of curves. Pointing at a place shows the values there, without a script."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from mlm_core.report.axis import Axis, axis_of, number, short
from mlm_core.report.charts import COLOURS, WIDTH, Chart, text
from mlm_core.report.thinning import Point, spread_evenly

_LEFT, _RIGHT, _TOP, _HEIGHT = 46.0, WIDTH - 8.0, 22.0, 190.0
_BOTTOM = _TOP + _HEIGHT

_PLACES = 120
"""Places at which values are shown; more would only make the file larger."""


@dataclass(frozen=True)
class Curve:
    """A line through points.

    Attributes:
        name: in the legend.
        points: in the order of x, at least one.
        marked: a dot at each point.
        behind: the same curve before it was smoothed, drawn faintly; empty: there is none.
        shown: a value as text.
    """

    name: str
    points: Sequence[Point]
    marked: bool = False
    behind: Sequence[Point] = ()
    shown: Callable[[float], str] = number

    @property
    def values(self) -> Sequence[Point]:
        """The points before they were smoothed."""
        return self.behind or self.points


class _Place(NamedTuple):
    x: float
    left: float
    right: float


def lines(
    title: str, x_label: str, curves: Sequence[Curve], *, steep: bool = False, dashed: bool = False
) -> Chart:
    """Curves in one chart.

    Args:
        title: of the chart.
        x_label: below it.
        curves: with at least one point each.
        steep: the vertical axis may become logarithmic.
        dashed: later curves have gaps, so that curves that agree are all visible.
    """
    points = [point for curve in curves for point in (*curve.points, *curve.behind)]
    across = axis_of([point.x for point in points], _LEFT, _RIGHT, margin=False)
    up = axis_of([y for point in points for y in (point.low, point.high)], _BOTTOM, _TOP, steep=steep)
    parts = [*_grid(across, up, x_label)]
    for index, curve in enumerate(curves):
        parts += _drawn(index, curve, across, up, dashed)
    parts.append(_ends(curves))
    scale = ", on a logarithmic scale" if up.logarithmic else ""
    described = "; ".join(
        f"{curve.name}: from {curve.shown(curve.points[0].y)} to {curve.shown(curve.points[-1].y)}"
        for curve in curves
    )
    keys, hints = [curve.name for curve in curves], _hints(curves, across, up, x_label)
    return Chart(f"{title}{scale}", described, _BOTTOM + 34, parts, keys if len(keys) > 1 else (), hints)


def _whole(across: Axis) -> list[float]:
    """The whole numbers of an axis of steps; of an axis without any, all."""
    return [value for value in across.ticks() if value == int(value)] or across.ticks()


def _grid(across: Axis, up: Axis, x_label: str) -> list[str]:
    parts = []
    for value in up.ticks():
        parts.append(f'<path class="grid" d="M{_LEFT:.0f} {up.at(value):.1f}H{_RIGHT:.0f}"/>')
        parts.append(text(_LEFT - 6, up.at(value) + 4, short(value), "end"))
    for value in _whole(across):
        # At the edge a number centred on its place would be cut off.
        near = across.at(value) > _RIGHT - 16
        parts.append(
            text(
                _RIGHT if near else across.at(value), _BOTTOM + 15, short(value), "end" if near else "middle"
            )
        )
    parts.append(text((_LEFT + _RIGHT) / 2, _BOTTOM + 30, x_label, "middle", name="axis"))
    return parts


def _drawn(index: int, curve: Curve, across: Axis, up: Axis, dashed: bool) -> list[str]:
    colour, parts = f"c{index % COLOURS}", []
    if any(point.high > point.low for point in curve.points):
        top = [f"{across.at(point.x):.1f} {up.at(point.high):.1f}" for point in curve.points]
        bottom = [f"{across.at(point.x):.1f} {up.at(point.low):.1f}" for point in reversed(curve.points)]
        parts.append(f'<path class="band {colour}" d="M{"L".join(top + bottom)}Z"/>')
    if curve.behind:
        parts.append(f'<path class="line faint {colour}" d="{_path(curve.behind, across, up)}"/>')
    dash = f' stroke-dasharray="{max(2, 8 - index)} {4 * index}"' if dashed and index else ""
    parts.append(f'<path class="line {colour}"{dash} d="{_path(curve.points, across, up)}"/>')
    if curve.marked or len(curve.points) == 1:
        parts += [_dot(index, point, across, up) for point in curve.points]
    return parts


def _path(points: Sequence[Point], across: Axis, up: Axis) -> str:
    return "M" + "L".join(f"{across.at(point.x):.1f} {up.at(point.y):.1f}" for point in points)


def _dot(index: int, point: Point, across: Axis, up: Axis) -> str:
    return (
        f'<circle class="c{index % COLOURS}" cx="{across.at(point.x):.1f}" cy="{up.at(point.y):.1f}" r="3"/>'
    )


def _ends(curves: Sequence[Curve]) -> str:
    """The last values, above the chart."""
    ends = " · ".join(f"{curve.name} {curve.shown(curve.values[-1].y)}" for curve in curves)
    return text(_RIGHT, 12, f"last: {ends}", "end", name="last", width=_RIGHT)


def _hints(curves: Sequence[Curve], across: Axis, up: Axis, x_label: str) -> list[str]:
    """The values at each place, in the place of the last ones while it is pointed at."""
    parts = []
    found = {curve.name: [point.x for point in curve.values] for curve in curves}
    for place in _places(curves, across):
        said, marks = [f"{x_label} {place.x:,.0f}"], []
        for index, curve in enumerate(curves):
            point = _within(curve.values, found[curve.name], place)
            if point is not None:
                said.append(_value(curve, point))
                marks.append(_dot(index, point, across, up))
        left, right = across.at(place.left), across.at(place.right)
        middle = across.at(place.x)
        parts.append(
            f'<g class="at"><rect x="{left:.1f}" y="0" width="{max(1.0, right - left):.1f}" '
            f'height="{_BOTTOM:.0f}"/><path d="M{middle:.1f} {_TOP:.0f}V{_BOTTOM:.0f}"/>{"".join(marks)}'
            f"{text(_RIGHT, 12, ' · '.join(said), 'end', width=_RIGHT)}</g>"
        )
    return parts


def _value(curve: Curve, point: Point) -> str:
    if point.high <= point.low:
        return f"{curve.name} {curve.shown(point.y)}"
    return f"{curve.name} {curve.shown(point.y)} ({curve.shown(point.low)} to {curve.shown(point.high)})"


def _places(curves: Sequence[Curve], across: Axis) -> list[_Place]:
    """Strips side by side, one around each place of a point."""
    places: set[float] = set()
    for curve in curves:
        places.update(curve.points[index].x for index in spread_evenly(len(curve.points), _PLACES))
    xs = sorted(places)
    edges = [across.low, *((one + other) / 2 for one, other in pairwise(xs)), across.high]
    return [_Place(x, left, right) for x, (left, right) in zip(xs, pairwise(edges), strict=True)]


def _within(points: Sequence[Point], xs: Sequence[float], place: _Place) -> Point | None:
    """The point of a curve that is nearest to a place, if it is in its strip."""
    after = bisect_left(xs, place.x)
    near = [points[index] for index in (after - 1, after) if 0 <= index < len(points)]
    best = min(near, key=lambda point: abs(point.x - place.x), default=None)
    return best if best is not None and place.left <= best.x <= place.right else None
