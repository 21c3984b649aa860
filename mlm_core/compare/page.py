"""A report as one HTML page that needs nothing else: no script, nothing from the network.

`page.html` is its template; its style is `page.css` in `mlm_core.report`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from mlm_core.compare.measured import FIGURES, failure, measured, speeds
from mlm_core.compare.verdicts import verdicts, warnings
from mlm_core.report.charts import Bar, Chart, bars
from mlm_core.report.lines import Curve, lines
from mlm_core.report.scatter import distributions
from mlm_core.report.templates import rendered
from mlm_core.report.thinning import points_of
from mlm_core.visible import quantity

Content = Mapping[str, Any]


def page(content: Content) -> str:
    """The whole page, as HTML."""
    points = content["points"]
    return rendered(
        Path(__file__).parent / "page.html",
        made=f"{content['made'][:16].replace('T', ' ')} UTC",
        complete=content["complete"],
        points=[_point(point) for point in points],
        sweep=_sweep(points) if len(points) > 1 else None,
        facts=_facts(content),
        versions=_versions(content),
        command=content["command"],
    )


def _point(point: Content) -> dict[str, Any]:
    disturbed = warnings(point)
    return {
        "name": point["name"],
        "verdicts": [sentence for sentence in verdicts(point) if sentence not in disturbed],
        "warnings": disturbed,
        "names": [variant["name"] for variant in point["columns"]],
        "groups": _groups(point),
        "charts": [chart.figure() for chart in _charts(point)],
    }


def _groups(point: Content) -> list[dict[str, Any]]:
    """The figures in groups, each figure with a cell for every variant: a page is higher than it is wide."""
    against, variants = speeds(point), point["columns"]
    found = []
    for title, figures in groupby(FIGURES, key=lambda figure: figure.group):
        rows = [
            {
                "label": figure.label,
                "cells": [
                    figure.cell(variant, against.get(variant["name"])) if measured(variant) else ""
                    for variant in variants
                ],
            }
            for figure in figures
        ]
        found.append({"title": title, "rows": [row for row in rows if any(row["cells"])]})
    failed = [f"failed: {failure(variant)}" if not measured(variant) else "" for variant in variants]
    if any(failed):
        found.insert(0, {"title": "Failures", "rows": [{"label": "reason", "cells": failed}]})
    return [group for group in found if group["rows"]]


def _charts(point: Content) -> Iterator[Chart]:
    """Charts of the variants that were measured."""
    able = [variant for variant in point["columns"] if measured(variant)]
    if not able:
        return
    yield bars("Training, tokens a second", [_speed(variant) for variant in able])
    steps = {variant["name"]: [step for done in variant["rounds"] for step in done] for variant in able}
    milliseconds = {name: [1000 * step["seconds"] for step in variant] for name, variant in steps.items()}
    yield distributions("Time of a step", "ms", milliseconds)
    curves = {
        variant["name"]: points_of(
            [
                (step["step"], step["loss"])
                for step in [*variant["warm_up"], *steps[variant["name"]]]
                if step.get("loss") is not None
            ]
        )
        for variant in able
    }
    losses = [Curve(name, curve) for name, curve in curves.items() if curve]
    if losses:
        yield lines("Loss", "step", losses, dashed=True)
    yield bars("Peak memory of the process, MB", [_memory(variant) for variant in able])


def _speed(variant: Content) -> Bar:
    rate = variant["tokens_per_second"]
    return Bar(variant["name"], rate["median"], rate["low"], rate["high"], f"{rate['median']:,.0f}")


def _memory(variant: Content) -> Bar:
    peak = variant["memory"]["process"]
    return Bar(variant["name"], peak, peak, peak, f"{peak:,.0f}")


def _sweep(points: list[Content]) -> str | None:
    """The speeds over the values of the option that differs between points; None if there are none."""
    curves: dict[str, list[tuple[float, float | None]]] = {}
    for point in points:
        for variant in point["columns"]:
            if "tokens_per_second" in variant:
                at = (float(point["value"]), variant["tokens_per_second"]["median"])
                curves.setdefault(variant["name"], []).append(at)
    option = points[0]["option"].replace("_", "-")
    drawn = [Curve(name, points_of(curve), marked=True) for name, curve in curves.items()]
    return lines("Training, tokens a second", option, drawn).figure() if drawn else None


def _facts(content: Content) -> dict[str, str]:
    """What was compared and on which machine."""
    machine = content["machine"]
    facts = {
        "processor": f"{machine['processor']}, {quantity(machine['cores'], 'core')}",
        "system": machine["system"],
        "python": machine["python"],
    }
    load = content["points"][0].get("load", {}).get("before")
    if load:
        facts["load average before"] = ", ".join(f"{value:.2f}" for value in load)
    works = [
        variant["work"] for point in content["points"] for variant in point["columns"] if "work" in variant
    ]
    return facts | {
        name: "; ".join(dict.fromkeys(said(work) for work in works)) for name, said in _WORK.items() if works
    }


_WORK: Mapping[str, Callable[[Content], str]] = {
    "model": lambda work: str(work["model"]),
    "text": lambda work: f"{work['text']} ({work['fingerprint']})",
    "batch": lambda work: f"{quantity(work['rows_in_a_step'], 'block')} of {work['block_size']} tokens",
    "threads": lambda work: str(work["threads"]),
}
"""Facts of a variant's work; variants may differ in them."""


def _versions(content: Content) -> dict[str, str]:
    """Packages of the core, then those of each variant."""
    found = {"core": _listed(content["machine"]["versions"])}
    for point in content["points"]:
        for variant in point["columns"]:
            if "work" in variant:
                found[variant["name"]] = _listed(variant["versions"])
    return found


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
