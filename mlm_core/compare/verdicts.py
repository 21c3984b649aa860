"""What a comparison found, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlm_core.compare.load import busy
from mlm_core.compare.report import same_size
from mlm_core.visible import quantity

Content = Mapping[str, Any]

MOST_IDLE = 0.01
"""The share of a processor that a variant may take during other variants' rounds."""


def verdicts(point: Content) -> list[str]:
    """Sentences: which variant is faster and by how much, whether they computed the same, and what failed."""
    sentences = [sentence for comparison in point["comparisons"] for sentence in _compared(comparison)]
    sentences += [*_other_sizes(point), *warnings(point)]
    failed = [variant for variant in point["columns"] if "problem" in variant]
    return sentences + [f"{variant['name']} failed: {_problem(variant['problem'])}" for variant in failed]


def warnings(point: Content) -> list[str]:
    """Sentences about what disturbed the measurement."""
    said = busy(point.get("load"))
    restless = [variant for variant in point["columns"] if (variant.get("idle_share") or 0.0) > MOST_IDLE]
    return [*([said] if said else [])] + [
        f"{variant['name']} took {variant['idle_share']:.1%} of a processor during other variants' rounds, "
        "which slows them down."
        for variant in restless
    ]


def _problem(problem: Content) -> str:
    return f"{problem['message']} ({problem['fix']})" if problem.get("fix") else str(problem["message"])


def _other_sizes(point: Content) -> list[str]:
    """Why losses are not compared, where the variants were asked for batches of different sizes."""
    able = [variant for variant in point["columns"] if "work" in variant and "rounds" in variant]
    if all(same_size(variant, able[0]) for variant in able):
        return []
    return ["Their batches have different sizes, as was asked, so their losses are not compared."]


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
