"""A run as a notebook shows it: a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlm_core.system.html import table

if TYPE_CHECKING:
    from mlm_core.config.config import Config
    from mlm_core.metrics.sums import MaskedSums
    from mlm_core.training.results import TrainingResult


def run_html(name: str, source: str, config: Config, result: TrainingResult | None) -> str:
    """A run in HTML; whatever comes from files is escaped.

    Args:
        name: of the run.
        source: the name of its text.
        config: its options.
        result: of its training; None: it has not finished.
    """
    return table((), _rows(source, config, result), caption=f"Run {name}")


def _rows(source: str, config: Config, result: TrainingResult | None) -> Iterator[tuple[str, str]]:
    yield "model", config.model or ("a new one" if config.from_scratch else "starter")
    yield "text", source
    if result is None:
        yield "state", "not finished"
        return
    before, after = result.before, result.after
    yield "backend", result.backend
    yield "steps", f"{result.steps:,}"
    if result.model_step != result.steps:
        yield "weights of step", f"{result.model_step:,}"
    yield "perplexity", _change(f"{before.perplexity:.4g}", f"{after.perplexity:.4g}")
    yield "loss", _change(f"{before.loss:#.4g}", f"{after.loss:#.4g}")
    yield "accuracy", _change(_share(before), _share(after))
    if result.hub_url is not None:
        yield "published at", result.hub_url


def _change(before: str, after: str) -> str:
    return f"{before} \N{RIGHTWARDS ARROW} {after}"


def _share(sums: MaskedSums) -> str:
    return f"{sums.accuracy:.1%}"
