"""Charts of a report as SVG, with colours from the page's style and their content as an accessible label."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 480
"""Width of a chart in SVG units; on a phone, a unit is about 0.7 pixels."""

_LABEL, _ROW, _TOP = 110, 34, 28


@dataclass(frozen=True)
class Bar:
    """A bar with its uncertainty.

    Attributes:
        name: of the variant.
        value: the length of the bar.
        low, high: the ends of the whisker.
        shown: the value as text.
    """

    name: str
    value: float
    low: float
    high: float
    shown: str


def bars(title: str, values: Sequence[Bar]) -> str:
    """A chart of horizontal bars, one below the other."""
    most = max(bar.high for bar in values) or 1.0
    room = WIDTH - _LABEL - 70
    parts = []
    for index, bar in enumerate(values):
        y = _TOP + index * _ROW
        length, low, high = (room * size / most for size in (bar.value, bar.low, bar.high))
        middle = y + _ROW / 2 - 4
        parts += [
            _text(_LABEL - 8, middle + 4, bar.name, "end"),
            _rectangle(index, _LABEL, y, length, _ROW - 10),
            _text(_LABEL + high + 8, middle + 4, bar.shown),
        ]
        if high > low:
            ends = "".join(f"M{_LABEL + end:.1f} {middle - 5}v10" for end in (low, high))
            whisker = f"M{_LABEL + low:.1f} {middle}H{_LABEL + high:.1f}{ends}"
            parts.append(f'<path class="whisker" d="{whisker}"/>')
    description = "; ".join(f"{bar.name}: {bar.shown}" for bar in values)
    return _picture(title, description, _TOP + len(values) * _ROW + 4, parts)


def distributions(title: str, unit: str, values: Mapping[str, Sequence[float]]) -> str:
    """A chart of the distribution of each variant: a dot for each value and a line at the median."""
    low, high = _range([value for variant in values.values() for value in variant])
    room, parts = WIDTH - _LABEL - 20, []
    for index, (name, variant) in enumerate(values.items()):
        y = _TOP + index * _ROW + _ROW / 2
        parts.append(_text(_LABEL - 8, y + 4, name, "end"))
        for number, value in enumerate(variant):
            # A fixed vertical offset keeps equal values apart, so that the dots can be counted.
            offset = (number * 7 % 11 - 5) * 1.6
            x = _LABEL + room * (value - low) / (high - low)
            parts.append(f'<circle class="c{index % 6} dot" cx="{x:.1f}" cy="{y + offset:.1f}" r="2.5"/>')
        middle = _LABEL + room * (statistics.median(variant) - low) / (high - low)
        parts.append(f'<path class="whisker" d="M{middle:.1f} {y - 13}v26"/>')
    bottom = _TOP + len(values) * _ROW + 6
    for value in _ticks(low, high):
        x = _LABEL + room * (value - low) / (high - low)
        parts += [
            f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>',
            _text(x, bottom + 14, _number(value), "middle"),
        ]
    description = "; ".join(
        f"{name}: {len(variant)} values, median {_number(statistics.median(variant))} {unit}"
        for name, variant in values.items()
    )
    return _picture(f"{title} ({unit})", description, bottom + 20, parts)


def lines(title: str, across: str, values: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A chart of curves with shared axes."""
    points = [point for curve in values.values() for point in curve]
    (left, right), (low, high) = _range([x for x, _ in points]), _range([y for _, y in points])
    height, room = 200, WIDTH - 80
    bottom = _TOP + height

    def at(x: float) -> float:
        return 60 + room * (x - left) / (right - left)

    def up(y: float) -> float:
        return bottom - height * (y - low) / (high - low)

    parts = []
    for value in _ticks(low, high):
        parts.append(f'<path class="grid" d="M60 {up(value):.1f}h{room}"/>')
        parts.append(_text(54, up(value) + 4, _number(value), "end"))
    parts += [_text(at(value), bottom + 16, _number(value), "middle") for value in _ticks(left, right)]
    parts.append(_text(60 + room / 2, bottom + 34, across, "middle"))
    for index, (name, curve) in enumerate(values.items()):
        path = "M" + "L".join(f"{at(x):.1f} {up(y):.1f}" for x, y in sorted(curve))
        # Later curves are dashed, so that curves that coincide are all visible.
        dash = f' stroke-dasharray="{8 - index} {4 * index}"' if index else ""
        parts.append(f'<path class="line c{index % 6}"{dash} d="{path}"/>')
        parts.append(_key(index, name, bottom + 46))
    description = "; ".join(
        f"{name}: from {_number(curve[0][1])} to {_number(curve[-1][1])}" for name, curve in values.items()
    )
    return _picture(title, description, bottom + 46 + 20 * math.ceil(len(values) / 2), parts)


def _key(index: int, name: str, top: float) -> str:
    x, y = 60 + 210 * (index % 2), top + 20 * (index // 2)
    return _rectangle(index, x, y, 14, 10) + _text(x + 20, y + 10, name)


def _rectangle(index: int, x: float, y: float, width: float, height: float) -> str:
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="c{index % 6}" {size} rx="3"/>'


def _picture(title: str, description: str, height: float, parts: Sequence[str]) -> str:
    label = f"{escape(title)}. {escape(description)}"
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height:.0f}" aria-label="{label}">'
        f"{_text(0, 14, title, name='title')}{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", name: str = "") -> str:
    classes = f' class="{name}"' if name else ""
    return f'<text{classes} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Two to seven round numbers in a range."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
