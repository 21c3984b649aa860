"""A report as one HTML page that needs nothing else: no script, nothing from the network.

`page.html` is its template, `page.css` its style.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlm_core.compare.charts import Bar, bars, distributions, lines
from mlm_core.compare.tables import HEADINGS, rows, verdicts
from mlm_core.visible import quantity

Content = Mapping[str, Any]


def page(content: Content) -> str:
    """The whole page, as HTML."""
    # Late: importing Jinja2 takes 34 ms.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    points = content["points"]
    return environment.get_template("page.html").render(
        made=content["made"][:10],
        complete=content["complete"],
        headings=HEADINGS,
        points=[
            {
                "name": point["name"],
                "verdicts": verdicts(point),
                "rows": rows(point),
                "charts": _charts(point),
            }
            for point in points
        ],
        sweep=_sweep(points) if len(points) > 1 else None,
        facts=_facts(content),
        command=content["command"],
    )


def _charts(point: Content) -> Iterator[str]:
    """Charts of the variants that were measured, as SVG."""
    able = [variant for variant in point["columns"] if "rounds" in variant]
    if not able:
        return
    yield bars("Training, tokens a second", [_speed(variant) for variant in able])
    steps = {variant["name"]: [step for done in variant["rounds"] for step in done] for variant in able}
    milliseconds = {name: [1000 * step["seconds"] for step in variant] for name, variant in steps.items()}
    yield distributions("Time of a step", "ms", milliseconds)
    curves = {
        variant["name"]: [
            (float(step["step"]), step["loss"])
            for step in [*variant["warm_up"], *steps[variant["name"]]]
            if step.get("loss") is not None
        ]
        for variant in able
    }
    losses = {name: curve for name, curve in curves.items() if curve}
    if losses:
        yield lines("Loss", "step", losses)
    yield bars("Peak memory of the process, MB", [_memory(variant) for variant in able])


def _speed(variant: Content) -> Bar:
    rate = variant["tokens_per_second"]
    return Bar(variant["name"], rate["median"], rate["low"], rate["high"], f"{rate['median']:,.0f}")


def _memory(variant: Content) -> Bar:
    peak = variant["memory"]["process"]
    return Bar(variant["name"], peak, peak, peak, f"{peak:,.0f}")


def _sweep(points: list[Content]) -> str | None:
    """The speeds over the values of the option that differs between points; None if there are none."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        for variant in point["columns"]:
            if "tokens_per_second" in variant:
                at = (float(point["value"]), variant["tokens_per_second"]["median"])
                curves.setdefault(variant["name"], []).append(at)
    option = points[0]["option"].replace("_", "-")
    return lines("Training, tokens a second", option, curves) if curves else None


def _facts(content: Content) -> dict[str, str]:
    """What was compared and on which machine."""
    machine = content["machine"]
    facts = {
        "processor": f"{machine['processor']}, {quantity(machine['cores'], 'core')}",
        "system": machine["system"],
        "python": machine["python"],
        "packages": _listed(machine["versions"]),
    }
    works = {}
    for point in content["points"]:
        for variant in point["columns"]:
            if "work" in variant:
                facts[variant["name"]] = _listed(variant["versions"])
                works[json.dumps(variant["work"], sort_keys=True)] = variant["work"]
    for work in works.values():
        facts.setdefault("model", str(work["model"]))
        facts.setdefault("text", f"{work['text']} ({work['fingerprint']})")
        facts.setdefault(
            "batch", f"{quantity(work['rows_in_a_step'], 'block')} of {work['block_size']} tokens"
        )
        facts.setdefault("threads", str(work["threads"]))
    return facts


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
