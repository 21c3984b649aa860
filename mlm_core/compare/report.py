"""The report of a comparison: the measurements of every variant, and how they compare.

`report.json` is the result of `report_content`; `SCHEMA.md` in this folder describes it.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlm_core.compare.measures import percentiles, ratio, spread, tokens_per_second
from mlm_core.compare.protocol import ENDED, READY, STARTED
from mlm_core.compare.variant_process import VariantProcess
from mlm_core.compare.variants import Point
from mlm_core.errors import RequestError
from mlm_core.system.json_files import BadJsonError, as_object, checked, read_json
from mlm_core.system.machine import cores, processor_name
from mlm_core.system.os_errors import reason
from mlm_core.system.versions import core_versions

SCHEMA = "mlm.compare/1"

FIRST_TOLERANCE = {"float32": 1e-4, "tf32": 5e-3, "bf16": 2e-2, "fp16": 2e-2}
"""Relative tolerance of a loss before the first update, by precision: float32 rounds in another order, as in
`mlm parity`; 16 bits keep three digits of each product. Of two variants' tolerances the wider one applies."""

LATER_TOLERANCE = {"float32": 1e-3, "tf32": 5e-3, "bf16": 2e-2, "fp16": 2e-2}
"""Relative tolerance of a loss after the first update: rounding differences grow from step to step."""

Content = Mapping[str, Any]


_LEAST_RATE, _MOST_RATE = 1e-12, 1e15
"""Tokens a second: the ratio of two is then a finite number."""

_MOST_ROUNDS = 2000
"""Of a variant; each one takes memory when two reports are compared."""

# What is read of a report; other keys are left alone.


@dataclass(frozen=True)
class _Speed:
    median: float
    rounds: list[float]

    def __post_init__(self) -> None:
        if not all(_LEAST_RATE <= rate <= _MOST_RATE for rate in (self.median, *self.rounds)):
            raise ValueError("a speed is not a positive number")
        if not 0 < len(self.rounds) <= _MOST_ROUNDS:
            raise ValueError(f"a speed has no rounds, or more than {_MOST_ROUNDS:,}")


@dataclass(frozen=True)
class _Variant:
    name: str
    rounds: list[Any] | None = None
    tokens_per_second: _Speed | None = None
    work: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.rounds is not None and (self.tokens_per_second is None or self.work is None):
            raise ValueError("a column with rounds has no speed, or no work")


@dataclass(frozen=True)
class _Point:
    name: str
    columns: list[_Variant]


@dataclass(frozen=True)
class _Report:
    points: list[_Point]


def measured_variant(process: VariantProcess) -> dict[str, Any]:
    """The measurements of a variant; of a failed variant, those until it failed."""
    variant, facts = process.variant, process.facts
    found: dict[str, Any] = {"name": variant.name, "backend": variant.backend, "guide": variant.hf_recipe}
    found["options"] = dict(variant.options)
    if process.problem is not None:
        found["problem"] = process.problem
    if STARTED in facts:
        found |= {name: facts[STARTED][name] for name in ("work", "versions", "device")}
    found["seconds_to"] = process.seconds_to
    if READY in facts:
        found |= {"warm_up": facts[READY]["steps"], "memory": facts[READY]["memory"]}
    if process.rounds:
        found |= _steady_state(process)
    if ENDED in facts and not variant.hf_recipe:
        ended = facts[ENDED]
        speed = ended["evaluation"]["tokens"] / ended["evaluation"]["seconds"]
        found |= ended | {"evaluation": ended["evaluation"] | {"tokens_per_second": speed}}
    return found


def _steady_state(process: VariantProcess) -> dict[str, Any]:
    steps = [step for one_round in process.rounds for step in one_round]
    seconds = [step["seconds"] for step in steps]
    rates = tokens_per_second(process.rounds, process.facts[STARTED]["work"]["tokens_in_a_step"])
    found = {
        "rounds": process.rounds,
        "tokens_per_second": spread(rates) | {"rounds": rates},
        "step_seconds": percentiles(seconds),
        "idle_share": process.idle_share,
        "products": process.products,
    }
    if process.variant.hf_recipe:
        return found
    masked = [
        sum(step["masked_tokens"] for step in one_round) / sum(step["seconds"] for step in one_round)
        for one_round in process.rounds
    ]
    share = sum(step["batch_seconds"] for step in steps) / sum(seconds)
    return found | {"masked_tokens_per_second": spread(masked), "batch_share": share}


def add_utilisation(variants: Sequence[dict[str, Any]]) -> None:
    """Add to each variant the share of the machine's limit that it reaches.

    The limit is the highest rate of matrix products alone that any variant with the same precision and device
    has measured, in any framework.
    """
    best: dict[tuple[str, str], float] = {}
    able = [variant for variant in variants if "rounds" in variant]
    for variant in able:
        kind = (variant["work"]["precision"], variant["device"])
        best[kind] = max([best.get(kind, 0.0), *variant["products"]])
    for variant in able:
        limit, work = best[variant["work"]["precision"], variant["device"]], variant["work"]
        # The Hugging Face recipe reports no operations, but it trains the same model.
        alike = [other for other in able if same_size(other, variant)]
        operations = max((other.get("operations_in_a_step", 0.0) for other in alike), default=0.0)
        if limit and operations:
            steps = variant["tokens_per_second"]["median"] / work["tokens_in_a_step"]
            variant |= {"utilisation": steps * operations / limit, "limit": limit}


def measured_point(
    point: Point, processes: Sequence[VariantProcess], load: Mapping[str, Any]
) -> dict[str, Any]:
    """The measurements of all variants at a point, and their comparisons.

    Args:
        point: the value of the swept option.
        processes: of the variants.
        load: what else the machine did.
    """
    variants = [measured_variant(process) for process in processes]
    add_utilisation(variants)
    return {
        "name": point.name,
        "option": point.option,
        "value": point.value,
        "columns": variants,
        "comparisons": _comparisons(variants),
        "load": dict(load),
    }


def _comparisons(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare every variant with the first one, and with the Hugging Face recipe for its framework."""
    able = [variant for variant in variants if "rounds" in variant and "problem" not in variant]
    own = [variant for variant in able if not variant["guide"]]
    recipes = [variant for variant in able if variant["guide"]]
    return [_comparison(one, own[0]) for one in own[1:]] + [
        _comparison(one, recipe) for recipe in recipes for one in own if one["backend"] == recipe["backend"]
    ]


def _comparison(one: Content, other: Content) -> dict[str, Any]:
    rates = ratio(one["tokens_per_second"]["rounds"], other["tokens_per_second"]["rounds"])
    # The Hugging Face recipe draws its own masks, and batches of another size are other batches.
    same = None if other["guide"] or not same_size(one, other) else same_work(one, other)
    return {"column": one["name"], "to": other["name"], "speed": asdict(rates), "same_work": same}


def same_size(one: Content, other: Content) -> bool:
    """Whether the batches of two variants have as many blocks, of as many tokens."""
    return all(one["work"][name] == other["work"][name] for name in ("rows_in_a_step", "block_size"))


def same_work(one: Content, other: Content) -> dict[str, Any]:
    """Whether two variants received and computed the same.

    Each framework draws its own dropout noise. With dropout, training losses of two frameworks are not
    comparable, and only the held-out loss before the first step is judged.
    """
    pairs = list(zip(_steps(one), _steps(other), strict=False))
    digests = [(first["batch_digest"], second["batch_digest"]) for first, second in pairs]
    noise = one["work"]["dropout"] and one["backend"] != other["backend"]
    losses = [_apart(first["loss"], second["loss"]) for first, second in pairs]
    differences = {
        "held_out_before": _apart(one.get("held_out_before"), other.get("held_out_before")),
        "first_loss": losses[0] if losses else None,
        "largest": max((loss for loss in losses if loss is not None), default=None),
        "held_out": _apart(*(variant.get("evaluation", {}).get("loss") for variant in (one, other))),
    }
    precisions = [variant["work"]["precision"] for variant in (one, other)]
    first, later = (max(map(table.__getitem__, precisions)) for table in (FIRST_TOLERANCE, LATER_TOLERANCE))
    judged = {"held_out_before": first} | (
        {} if noise else {"first_loss": first, "largest": later, "held_out": later}
    )
    found = {
        "text": one["work"]["blocks"] == other["work"]["blocks"],
        "batches": None if any(None in pair for pair in digests) else all(a == b for a, b in digests),
        "steps": len(pairs),
        "noise": noise,
        "differences": differences,
        "tolerances": judged,
    }
    agree = all((differences[name] or 0.0) <= tolerance for name, tolerance in judged.items())
    return found | {"agrees": found["text"] and found["batches"] is not False and agree}


def _apart(one: float | None, other: float | None) -> float | None:
    """The relative difference of two losses; None if one is missing or not finite."""
    return None if one is None or other is None else abs(one - other) / max(abs(other), 1e-12)


def _steps(variant: Content) -> list[dict[str, Any]]:
    return [*variant["warm_up"], *(step for one_round in variant["rounds"] for step in one_round)]


def report_content(
    points: list[dict[str, Any]], *, command: str, complete: bool, fail_below: float | None
) -> dict[str, Any]:
    """The content of `report.json`."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {
        "schema": SCHEMA,
        "made": now.isoformat(),
        "command": command,
        "complete": complete,
        "fail_below": fail_below,
        "machine": {
            "processor": processor_name(),
            "cores": cores(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "versions": core_versions(),
        },
        "points": points,
    }


def read_report(path: Path) -> dict[str, Any]:
    """Read a `report.json`.

    Raises:
        RequestError: the file is not a report that this version reads.
    """
    try:
        content = as_object(read_json(path))
        schema = content.get("schema")
        if schema == SCHEMA:
            checked(content, _Report)
            return content
        cause = f"has the schema {str(schema)[:50]}, but this version reads {SCHEMA}"
        if not isinstance(schema, str):
            cause = "is not a report of mlm compare"
    except OSError as error:
        cause = f"cannot be read ({reason(error)})"
    except BadJsonError as error:
        cause = f"is not a report of mlm compare ({error})"
    raise RequestError(
        cause, code="not_a_report", option="--from", value=str(path), fix="give the path of a report.json"
    )
