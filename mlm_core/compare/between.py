"""Compare two reports: of two machines, or of two commits on one machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from mlm_core.compare.measures import ratio
from mlm_core.errors import RequestError

Content = Mapping[str, Any]

_WORK = (
    "model", "fingerprint", "block_size", "rows_in_a_step", "precision", "mlm_head", "compile", "threads"
)  # fmt: skip
"""Facts that must be equal for two speeds to be comparable."""


def compare_reports(before: Content, after: Content) -> list[dict[str, Any]]:
    """Compare the variants that both reports contain, point by point.

    Raises:
        RequestError: the reports have no variant in common.
    """
    known = dict(_variants(before))
    found = [_comparison(name, variant, known[name]) for name, variant in _variants(after) if name in known]
    if not found:
        raise RequestError(
            "have no variant in common",
            code="nothing_in_common",
            option="--from",
            value=f"{', '.join(known)} and {', '.join(name for name, _ in _variants(after))}",
            fix="give two reports of the same variants",
        )
    return found


def _variants(content: Content) -> Iterator[tuple[str, Content]]:
    for point in content["points"]:
        for variant in point["columns"]:
            if variant.get("rounds") is not None:
                yield f"{variant['name']} {point['name']}".strip(), variant


def _comparison(name: str, after: Content, before: Content) -> dict[str, Any]:
    rates = [variant["tokens_per_second"]["rounds"] for variant in (after, before)]
    other = [key for key in _WORK if after["work"].get(key) != before["work"].get(key)]
    return {
        "column": name,
        "before": before["tokens_per_second"]["median"],
        "after": after["tokens_per_second"]["median"],
        "speed": asdict(ratio(*rates, paired=False)),
        "other_work": other,
    }
