"""Charts of single values: a row of dots for each variant."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from mlm_core.report.axis import axis_of, number, short
from mlm_core.report.charts import COLOURS, WIDTH, Chart, text
from mlm_core.report.thinning import spread_evenly

_ROW, _SPREAD = 46, 1.6
_MOST = 400
"""Dots of a row; of more values, so many are drawn, evenly spread."""


def distributions(title: str, unit: str, values: Mapping[str, Sequence[float]]) -> Chart:
    """A row per variant: a dot for each value, and a line at their median."""
    across = axis_of([value for variant in values.values() for value in variant], 8.0, WIDTH - 8.0)
    parts = []
    for index, (name, variant) in enumerate(values.items()):
        top = index * _ROW
        y, median = top + 31.0, statistics.median(variant)
        parts += [
            text(0, top + 14, name),
            text(WIDTH, top + 14, f"median {number(median)} {unit}", "end", name="value"),
        ]
        for place in spread_evenly(len(variant), _MOST):
            # A fixed vertical pattern keeps equal values from covering each other.
            up = y + (place * 7 % 11 - 5) * _SPREAD
            parts.append(
                f'<circle class="c{index % COLOURS} dot" cx="{across.at(variant[place]):.1f}" cy="{up:.1f}" '
                f'r="2.5"><title>{number(variant[place])} {unit}</title></circle>'
            )
        parts.append(f'<path class="whisker" d="M{across.at(median):.1f} {y - 11:.1f}v22"/>')
    bottom = len(values) * _ROW + 6
    for value in across.ticks():
        x = across.at(value)
        # Behind the dots.
        parts.insert(0, f'<path class="grid" d="M{x:.1f} 0V{bottom}"/>')
        parts.append(text(x, bottom + 15, short(value), "middle"))
    described = "; ".join(
        f"{name}: {len(variant)} values, median {number(statistics.median(variant))} {unit}"
        for name, variant in values.items()
    )
    return Chart(f"{title} ({unit})", described, bottom + 20, parts)
