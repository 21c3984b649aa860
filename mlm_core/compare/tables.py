"""A report as text, for the terminal and for Markdown: the verdict in sentences, the figures in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlm_core.system.markdown import table
from mlm_core.visible import quantity

Content = Mapping[str, Any]

HEADINGS = (
    "", "tokens/s", "spread", "times", "95%", "step p50", "p90", "p99", "start", "first step",
    "batches", "memory", "of the limit", "evaluation",
)  # fmt: skip

_RULE = ["---", *["---:"] * (len(HEADINGS) - 1)]
"""The first cell of a row is text, the others are figures."""

MOST_IDLE = 0.01
"""The share of a processor that a variant may take during other variants' rounds."""


def verdicts(point: Content) -> list[str]:
    """Sentences: which variant is faster and by how much, whether they computed the same, and what failed."""
    sentences = [sentence for comparison in point["comparisons"] for sentence in _compared(comparison)]
    busy = [variant for variant in point["columns"] if (variant.get("idle_share") or 0.0) > MOST_IDLE]
    sentences += [
        f"{variant['name']} took {variant['idle_share']:.1%} of a processor during other variants' rounds, "
        "which slows them down."
        for variant in busy
    ]
    failed = [variant for variant in point["columns"] if "problem" in variant]
    return sentences + [f"{variant['name']} failed: {_problem(variant['problem'])}" for variant in failed]


def _problem(problem: Content) -> str:
    return f"{problem['message']} ({problem['fix']})" if problem.get("fix") else str(problem["message"])


def _compared(comparison: Content) -> list[str]:
    speed, one, other = comparison["speed"], comparison["column"], comparison["to"]
    interval = f"95% interval {speed['low']:.2f} to {speed['high']:.2f}"
    if speed["verdict"] == "slower":
        interval = f"95% interval {1 / speed['high']:.2f} to {1 / speed['low']:.2f}"
        first = f"{other} is {1 / speed['value']:.2f} times as fast as {one}, {interval}."
    elif speed["verdict"] == "tie":
        first = f"{one} and {other} are equally fast here: {speed['value']:.2f} times, {interval}."
    elif speed["verdict"] == "unclear":
        first = f"{one} was {speed['value']:.2f} times as fast as {other}, in too few rounds to be sure."
    else:
        first = f"{one} is {speed['value']:.2f} times as fast as {other}, {interval}."
    same = comparison["same_work"]
    return [first] if same is None else [first, _same(same)]


def _same(work: Content) -> str:
    if not work["text"]:
        return "They did NOT receive the same text."
    if work["batches"] is False:
        return "They did NOT receive the same batches."
    received = "They received the same batches" if work["batches"] else "They received the same text"
    if not work["agrees"]:
        apart = [
            f"{name.replace('_', ' ')} {work['differences'][name]:.1e}, tolerance {tolerance:.0e}"
            for name, tolerance in work["tolerances"].items()
            if (work["differences"][name] or 0.0) > tolerance
        ]
        return f"{received}, but their losses DIFFER ({'; '.join(apart)})."
    if work["noise"]:
        noise = "each framework draws its own dropout noise, so only the loss before training is compared"
        return f"{received}; {noise}. It agrees."
    largest = work["differences"]["largest"]
    how = "" if largest is None else f", {largest:.1e} apart at most"
    return f"{received}, and their losses agree over {quantity(work['steps'], 'step')}{how}."


def rows(point: Content) -> list[list[str]]:
    """A row of cells for each variant; `HEADINGS` names the columns."""
    # If a variant is compared with several, the first comparison is shown.
    against = {comparison["column"]: comparison["speed"] for comparison in reversed(point["comparisons"])}
    return [_row(variant, against.get(variant["name"])) for variant in point["columns"]]


def _row(variant: Content, speed: Content | None) -> list[str]:
    if "rounds" not in variant:
        reason = variant.get("problem", {}).get("message", "not finished")
        return [variant["name"], f"failed: {reason}"[:60], *[""] * (len(HEADINGS) - 2)]
    rate, steps, memory = variant["tokens_per_second"], variant["step_seconds"], variant["memory"]
    evaluation = variant.get("evaluation")
    return [
        variant["name"],
        f"{rate['median']:,.0f}",
        f"{rate['low']:,.0f} to {rate['high']:,.0f}",
        f"{speed['value']:.2f}" if speed is not None else "1",
        f"{speed['low']:.2f} to {speed['high']:.2f}" if speed is not None else "",
        *(f"{1000 * steps[name]:,.0f} ms" for name in ("p50", "p90", "p99")),
        f"{variant['seconds_to']['started']:.1f} s",
        f"{variant['warm_up'][0]['seconds']:.1f} s",
        f"{variant['batch_share']:.1%}" if "batch_share" in variant else "",
        _memory(memory),
        f"{variant['utilisation']:.0%}" if "utilisation" in variant else "",
        f"{evaluation['tokens_per_second']:,.0f}" if evaluation else "",
    ]


def _memory(memory: Content) -> str:
    device = memory.get("device")
    return f"{memory['process']:,.0f} MB" + (f" + {device:,.0f} MB" if device else "")


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells in aligned columns; the first column is text, the others are figures."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def terminal(content: Content) -> str:
    """A report for a terminal."""
    parts: list[str] = []
    for point in content["points"]:
        if point["name"]:
            parts.append(f"{point['name']}")
        parts += [aligned([HEADINGS, *rows(point)]), *verdicts(point), ""]
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
