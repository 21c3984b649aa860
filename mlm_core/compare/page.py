"""A report as one page that needs nothing else: no script, nothing from the network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from mlm_core.compare.charts import Bar, bars, distributions, lines
from mlm_core.compare.tables import HEADINGS, rows, verdicts

Content = Mapping[str, Any]

_STYLE = Path(__file__).parent / "page.css"


def page(content: Content) -> str:
    """The whole page."""
    parts = [part for point in content["points"] for part in _point(point)]
    if len(content["points"]) > 1:
        parts.append(_sweep(content))
    style = _STYLE.read_text(encoding="utf-8")
    unfinished = "" if content["complete"] else "<p>Interrupted: these are the rounds that were done.</p>"
    head = f"<h1>mlm compare, {escape(content['made'][:10])}</h1>{unfinished}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>mlm compare</title><style>{style}</style></head><body>"
        f"{head}{''.join(parts)}{_environment(content)}"
        "</body></html>\n"
    )


def _point(point: Content) -> Iterator[str]:
    if point["name"]:
        yield f"<h2>{escape(point['name'])}</h2>"
    yield f'<div class="verdict">{"".join(f"<p>{escape(said)}</p>" for said in verdicts(point))}</div>'
    yield _table(point)
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
    yield bars("Most memory of the process, MB", [_memory(variant) for variant in able])


def _speed(variant: Content) -> Bar:
    rate = variant["tokens_per_second"]
    return Bar(variant["name"], rate["median"], rate["low"], rate["high"], f"{rate['median']:,.0f}")


def _memory(variant: Content) -> Bar:
    most = variant["memory"]["process"]
    return Bar(variant["name"], most, most, most, f"{most:,.0f}")


def _table(point: Content) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in HEADINGS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows(point))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _sweep(content: Content) -> str:
    curves: dict[str, list[tuple[float, float]]] = {}
    for point in content["points"]:
        for variant in point["columns"]:
            if "tokens_per_second" in variant:
                at = (float(point["value"]), variant["tokens_per_second"]["median"])
                curves.setdefault(variant["name"], []).append(at)
    option = content["points"][0]["option"].replace("_", "-")
    return f"<h2>Sweep</h2>{lines('Training, tokens a second', option, curves)}" if curves else ""


def _environment(content: Content) -> str:
    machine = content["machine"]
    facts = {
        "processor": f"{machine['processor']}, {machine['cores']} cores",
        "system": machine["system"],
        "python": machine["python"],
        "packages": _listed(machine["versions"]),
    }
    works = {}
    for point in content["points"]:
        for variant in point["columns"]:
            if "work" in variant:
                facts[variant["name"]] = ", ".join(
                    f"{name} {number}" for name, number in variant["versions"].items()
                )
                works[json.dumps(variant["work"], sort_keys=True)] = variant["work"]
    for work in works.values():
        facts.setdefault("model", str(work["model"]))
        facts.setdefault("text", f"{work['text']} ({work['fingerprint']})")
        facts.setdefault("batch", f"{work['rows_in_a_step']} blocks of {work['block_size']} tokens")
        facts.setdefault("threads", str(work["threads"]))
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<h2>Where</h2><dl>{listed}</dl><p><code>{escape(content['command'])}</code></p>"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
