"""A report as text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlm_core.compare.measured import FIGURES, Figure, failure, measured, speeds
from mlm_core.compare.verdicts import verdicts
from mlm_core.system.markdown import table
from mlm_core.visible import quantity

Content = Mapping[str, Any]

HEADINGS = ("", *(figure.heading for figure in FIGURES))

_RULE = ["---", *["---:"] * (len(HEADINGS) - 1)]
"""The first cell of a row is text, the others are figures."""

_GAP = 2


def rows(point: Content, figures: Sequence[Figure] = FIGURES) -> list[list[str]]:
    """A row of cells for each variant: its name and the figures."""
    against = speeds(point)
    return [_row(variant, against.get(variant["name"]), figures) for variant in point["columns"]]


def _row(variant: Content, speed: Content | None, figures: Sequence[Figure]) -> list[str]:
    if not measured(variant):
        return [variant["name"], f"failed: {failure(variant)}"[:60], *[""] * (len(figures) - 1)]
    return [variant["name"], *(figure.cell(variant, speed) for figure in figures)]


def fitting(point: Content, width: int) -> list[list[str]]:
    """The table of a point with headings, as wide as a terminal: the most important figures that fit."""
    shown = [_row(variant, speeds(point).get(variant["name"]), FIGURES) for variant in point["columns"]]
    for row, variant in zip(shown, point["columns"], strict=True):
        if not measured(variant):
            # A sentence below the table says why.
            row[1] = "failed"
    lines = [list(HEADINGS), *shown]
    widths = [max(len(line[index]) for line in lines) for index in range(len(HEADINGS))]
    left, kept = width - widths[0], {0}
    for index in sorted(range(1, len(HEADINGS)), key=lambda index: FIGURES[index - 1].importance):
        needed = widths[index] + _GAP
        # A name may be as wide as the terminal: the speed is shown whatever it is.
        if needed <= left or len(kept) == 1:
            kept.add(index)
            left -= needed
    return [[cell for index, cell in enumerate(line) if index in kept] for line in lines]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells in aligned columns; the first column is text, the others are figures."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join(
        (" " * _GAP)
        .join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        .rstrip()
        for line in lines
    )


def terminal(content: Content, width: int = 80) -> str:
    """A report for a terminal.

    Args:
        content: of the report; with `output_dir`, it is also said where the rest of it is.
        width: of the terminal, in characters.
    """
    parts: list[str] = []
    left_out: dict[str, None] = {}
    for point in content["points"]:
        if point["name"]:
            parts.append(f"{point['name']}")
        lines = fitting(point, width)
        left_out |= dict.fromkeys(heading for heading in HEADINGS if heading not in lines[0])
        parts += [aligned(lines), *verdicts(point), ""]
    place = content.get("output_dir")
    if place is not None:
        more = f" (also {', '.join(left_out)})" if left_out else ""
        parts.append(f"the whole report, with charts{more}: {place}/report.html")
    return "\n".join(parts).rstrip()


def markdown(content: Content) -> str:
    """A report for a pull request, in Markdown."""
    parts = ["## mlm compare", ""]
    for point in content["points"]:
        if point["name"]:
            parts += [f"### {point['name']}", ""]
        parts += [" ".join(verdicts(point)), "", table(HEADINGS, rows(point), _RULE), ""]
    machine = content["machine"]
    parts += [
        f"{quantity(machine['cores'], 'core')} of {machine['processor']}, Python {machine['python']}, "
        + ", ".join(_versions(content)),
        "",
        f"`{content['command']}`",
        "",
    ]
    return "\n".join(parts)


def _versions(content: Content) -> list[str]:
    found: dict[str, str] = {}
    for point in content["points"]:
        for variant in point["columns"]:
            found |= variant.get("versions", {})
    return [f"{name} {number}" for name, number in found.items()]


def between(found: Sequence[Content]) -> str:
    """The comparison of two reports as a table for a terminal."""
    lines = [["", "before", "after", "times", "95%", ""]]
    for comparison in found:
        speed = comparison["speed"]
        remark = speed["verdict"]
        if comparison["other_work"]:
            remark += f"; NOT the same work: {', '.join(comparison['other_work'])} differ"
        lines.append(
            [
                comparison["column"],
                f"{comparison['before']:,.0f}",
                f"{comparison['after']:,.0f}",
                f"{speed['value']:.2f}",
                f"{speed['low']:.2f} to {speed['high']:.2f}",
                remark,
            ]
        )
    return aligned(lines)
