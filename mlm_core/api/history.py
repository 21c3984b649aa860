"""The course of a run as rows: plain dicts, which a data frame takes as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.api.plot import Plot
from mlm_core.errors import RequestError
from mlm_core.progress import show

if TYPE_CHECKING:
    from mlm_core.report.metrics import Metrics


def history_of(metrics: Path) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`: each step, and each evaluation after the step that it follows.

    A value that is unknown or not finite is None. If a part of the file cannot be read, a line on stderr says
    so, and the rows before it are returned.
    """
    read = _read(metrics)
    rows = [*_rows(read)]
    # The sort is stable, and an evaluation after N steps comes after step N.
    return sorted(rows, key=itemgetter("step"))


def loss_plot(metrics: Path, name: str) -> Plot:
    """The loss over the steps of a run.

    Args:
        metrics: its `metrics.jsonl`.
        name: of the run.

    Raises:
        RequestError: no loss is known yet.
    """
    from mlm_core.report.run_charts import loss_svg

    svg = loss_svg(_read(metrics))
    if svg is None:
        raise RequestError(
            "records no loss",
            code="no_history",
            option="RUN",
            value=name,
            fix="wait for its first step, or train it",
        )
    return Plot(svg, f"loss of {name}")


def _read(metrics: Path) -> Metrics:
    from mlm_core.report.metrics import read_metrics

    found = read_metrics(metrics)
    if found.problem is not None and metrics.exists():
        show(f"mlm: {metrics} is read only in part: {found.problem}")
    return found


def _rows(read: Metrics) -> Iterator[dict[str, Any]]:
    for step in read.steps:
        yield asdict(step)
    for line in read.held_out:
        numbers = asdict(line)
        yield {"step": numbers.pop("step")} | {f"eval_{name}": value for name, value in numbers.items()}
