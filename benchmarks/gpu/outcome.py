"""What is written of a variant: its step, its graph's noise, its trace."""

from __future__ import annotations

from typing import Any

from facts import Facts
from peak import mfu
from processes import Worker, milliseconds
from settings import Deadline, Settings
from variants import Variant

TRACED_STEPS = 5


def write_step(variant: Variant, worker: Worker, settings: Settings, facts: Facts, card: str) -> None:
    """Write a "step", and of a graph a "graph_noise"; without any round, a problem."""
    named = named_values(variant, settings)
    if not worker.rounds:
        facts.write("step", **named, problem=worker.problem or "cut: out of time")
        return
    size, shape = variant.sizes(tiny=settings.tiny)
    measured = milliseconds(worker)
    rate = size.batch * size.block / measured["ms"] * 1e3
    found = {"tokens_per_second": rate, "peak_gb": worker.peak_gb, "head": worker.facts["head"]}
    found |= mfu(card, variant.precision, rate, size, shape)
    if worker.problem is not None:
        found["problem"] = worker.problem
    facts.write("step", **named, **measured, **found)
    if "noise" in worker.facts:
        facts.write("graph_noise", **named, **worker.facts["noise"])


def write_trace(
    variant: Variant, worker: Worker, settings: Settings, facts: Facts, deadline: Deadline
) -> None:
    """Trace a few steps, and write a "trace"; `busy` is the kernels' time over that of an unprofiled step."""
    found = worker.ask({"trace": TRACED_STEPS}, deadline)
    named = named_values(variant, settings)
    if found is None:
        facts.write("trace", **named, problem=worker.problem)
        return
    step = milliseconds(worker)["ms"]
    busy = found["kernels_ms"] / step if found["kernels_ms"] is not None else None
    facts.write("trace", **named, step_ms=step, busy=busy, **found)


def named_values(variant: Variant, settings: Settings) -> dict[str, Any]:
    """What tells a variant's facts from those of others."""
    size, _ = variant.sizes(tiny=settings.tiny)
    return {
        "owner": variant.owner, "engine": variant.engine, "size": variant.size, "batch": size.batch,
        "block": size.block, "precision": variant.precision, "options": variant.options,
    }  # fmt: skip
