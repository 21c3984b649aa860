"""The charts of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mlm_core.report.axis import number
from mlm_core.report.charts import Chart
from mlm_core.report.lines import Curve, lines
from mlm_core.report.metrics import Metrics, Step
from mlm_core.report.thinning import Point, mean, median, points_of, smoothed, thinned

MOST_POINTS = 240
"""Points of a curve; a longer one is thinned."""

_WINDOWS = 20
"""A curve is smoothed over this part of it."""


def loss_chart(metrics: Metrics) -> Chart | None:
    """Loss of training and held-out loss over the steps; None: no loss is known."""
    curves = []
    losses = [(step.step, step.loss) for step in metrics.steps]
    # By tokens: the last batch of an epoch may hold a single block.
    training = points_of(losses, [step.masked_tokens for step in metrics.steps])
    if training:
        curves.append(_smooth("training", thinned(training, MOST_POINTS), mean))
    held_out = thinned(points_of([(line.step, line.loss) for line in metrics.held_out]), MOST_POINTS)
    if held_out:
        curves.append(Curve("held-out", held_out, marked=len(held_out) <= MOST_POINTS // 4))
    return lines("Loss", "step", curves) if curves else None


def loss_svg(metrics: Metrics) -> str | None:
    """The curves of the loss as an SVG picture, the text of a file; None: no loss is known."""
    chart = loss_chart(metrics)
    return chart.picture() if chart is not None else None


def run_charts(metrics: Metrics) -> Iterator[Chart]:
    """The charts of a run; what is not known is left out."""
    loss = loss_chart(metrics)
    if loss is not None:
        yield loss
    for title, name, value, smooth in _OTHERS:
        points = thinned(points_of([(step.step, value(step)) for step in metrics.steps]), MOST_POINTS)
        if points:
            # A median: the last batch of an epoch may hold a single block.
            curve = _smooth(name, points, median) if smooth else Curve(name, points)
            yield lines(title, "step", [curve], steep=smooth)


def thinning(steps: Sequence[Step]) -> int:
    """How many steps a point of the curves stands for."""
    return -(-len(steps) // MOST_POINTS) if steps else 1


def smooths(steps: Sequence[Step]) -> bool:
    """Whether the curves are smoothed, with the values of the steps behind them."""
    return 2 * _WINDOWS <= len(steps) <= MOST_POINTS


def _smooth(name: str, points: Sequence[Point], middle: Callable[[Sequence[Point]], float]) -> Curve:
    """A curve of noisy values: a running middle before the values; of joined points, the mean is enough."""
    window = len(points) // _WINDOWS
    if window < 2 or any(point.count > 1 for point in points):
        return Curve(name, points)
    return Curve(name, smoothed(points, window, middle), behind=points)


def _rate(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else number(value)


_OTHERS: Sequence[tuple[str, str, Callable[[Step], float | None], bool]] = (
    ("Gradient norm", "norm", lambda step: step.grad_norm, True),
    ("Learning rate", "rate", lambda step: step.learning_rate, False),
    ("Speed, tokens a second", "tokens/s", lambda step: step.tokens_per_second, True),
)
"""Title, name of the values, the values, and whether they are noisy."""
