"""The figures of a variant, each with its name and its place in the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure of each variant.

    Attributes:
        heading: in a narrow table.
        group, label: in a table that has the room.
        cell: the figure of a measured variant, given the variant and its comparison's speed, if it has one;
            "": unknown.
        importance: the place among the figures of a table that has no room for all, from 1.
    """

    heading: str
    group: str
    label: str
    cell: Callable[[Content, Content | None], str]
    importance: int


def _percentile(name: str) -> Callable[[Content, Content | None], str]:
    return lambda variant, speed: f"{1000 * variant['step_seconds'][name]:,.0f} ms"


def _spread(variant: Content, speed: Content | None) -> str:
    rate = variant["tokens_per_second"]
    return f"{rate['low']:,.0f} to {rate['high']:,.0f}"


def _interval(variant: Content, speed: Content | None) -> str:
    return f"{speed['low']:.2f} to {speed['high']:.2f}" if speed is not None else ""


def _memory(variant: Content, speed: Content | None) -> str:
    device, process = variant["memory"].get("device"), variant["memory"]["process"]
    return f"{process:,.0f} MB" + (f" + {device:,.0f} MB" if device else "")


def _evaluation(variant: Content, speed: Content | None) -> str:
    evaluation = variant.get("evaluation")
    return f"{evaluation['tokens_per_second']:,.0f}" if evaluation else ""


def _optional(name: str, form: str) -> Callable[[Content, Content | None], str]:
    return lambda variant, speed: format(variant[name], form) if name in variant else ""


FIGURES = (
    Figure("tokens/s", "Training", "tokens a second, median of the rounds",
           lambda variant, _: f"{variant['tokens_per_second']['median']:,.0f}", 1),
    Figure("spread", "Training", "slowest to fastest round", _spread, 8),
    Figure("times", "Training", "times as fast as the first, or as the recipe",
           lambda _, speed: f"{speed['value']:.2f}" if speed is not None else "1", 2),
    Figure("95%", "Training", "95% interval of it", _interval, 3),
    Figure("step p50", "Time of a step", "median", _percentile("p50"), 4),
    Figure("p90", "Time of a step", "90% are shorter", _percentile("p90"), 11),
    Figure("p99", "Time of a step", "99% are shorter", _percentile("p99"), 12),
    Figure("start", "Start", "until the text is prepared and the framework imported",
           lambda variant, _: f"{variant['seconds_to']['started']:.1f} s", 7),
    Figure("first step", "Start", "first step, which also compiles",
           lambda variant, _: f"{variant['warm_up'][0]['seconds']:.1f} s", 6),
    Figure("batches", "Use of the machine", "share of the time that making batches takes",
           _optional("batch_share", ".1%"), 10),
    Figure("memory", "Use of the machine", "most memory of the process, and of the device", _memory, 5),
    Figure("of the limit", "Use of the machine", "of the speed of matrix products alone",
           _optional("utilisation", ".0%"), 9),
    Figure("evaluation", "Evaluation", "tokens a second", _evaluation, 13),
)  # fmt: skip


def speeds(point: Content) -> dict[str, Content]:
    """The comparison that is shown for each variant; of several, the first."""
    return {comparison["column"]: comparison["speed"] for comparison in reversed(point["comparisons"])}


def measured(variant: Content) -> bool:
    """Whether a variant has figures."""
    return "rounds" in variant


def failure(variant: Content) -> str:
    """Why a variant has no figures."""
    return str(variant.get("problem", {}).get("message", "not finished"))
