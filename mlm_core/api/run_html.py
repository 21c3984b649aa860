"""A run as a notebook shows it: a table and the curve of its loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlm_core.errors import MlmError
from mlm_core.system.html import table, text

if TYPE_CHECKING:
    from mlm_core.api.run import Run
    from mlm_core.metrics.sums import MaskedSums


def run_html(run: Run) -> str:
    """The run in HTML; everything in it that comes from files is escaped."""
    try:
        shown = table((), _rows(run), caption=f"Run {run.directory}")
    except MlmError as error:
        return f"<p>{text(error)}</p>"
    try:
        return shown + run.plot()._repr_html_()
    except MlmError:
        # It has no step yet.
        return shown


def _rows(run: Run) -> Iterator[tuple[str, str]]:
    config, result = run.config, run.result
    yield "model", config.model or ("a new one" if config.from_scratch else "starter")
    yield "text", str(run._facts()["data"].get("source") or config.dataset)
    if result is None:
        yield "state", "not finished"
        return
    yield "backend", result.backend
    yield "steps", f"{result.steps:,}"
    if result.model_step != result.steps:
        yield "weights of step", f"{result.model_step:,}"
    yield "perplexity", f"{result.before.perplexity:.4g} \N{RIGHTWARDS ARROW} {result.after.perplexity:.4g}"
    yield "loss", f"{result.before.loss:.4g} \N{RIGHTWARDS ARROW} {result.after.loss:.4g}"
    yield "accuracy", f"{_share(result.before)} \N{RIGHTWARDS ARROW} {_share(result.after)}"
    if result.hub_url is not None:
        yield "published at", result.hub_url


def _share(sums: MaskedSums) -> str:
    return f"{sums.accuracy:.1%}"
