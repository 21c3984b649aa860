"""The page of a training run: what it reached, its curves, its examples and its settings.

`run.html` is the template, `page.css` the style. What `run.json` holds may be somebody else's: values of a
wrong type are left out, and all text is escaped.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlm_core.report.metrics import HeldOut, Metrics, Step
from mlm_core.report.recorded import Example, Facts, Filled, Results, recorded
from mlm_core.report.run_charts import MOST_POINTS, run_charts, smooths, thinning
from mlm_core.report.templates import rendered
from mlm_core.report.thinning import spread_evenly
from mlm_core.visible import probability, quantity, visible

_ROWS = 40
"""Rows of the tables; of more, so many are shown, evenly spread."""

_EXAMPLES, _ANSWERS, _LONGEST = 12, 5, 400
"""Examples, answers to each, and characters of a text; a run has fewer."""

_MASK = "<mask>"


def run_page(facts: Mapping[str, Any], metrics: Metrics, name: str) -> str:
    """The whole page, as HTML.

    Args:
        facts: in the run's `run.json`; it may be of a run that has not finished.
        metrics: the course of the training.
        name: of the run.
    """
    known = recorded(facts)
    return rendered(
        Path(__file__).parent / "run.html",
        name=_text(name),
        summary=_summary(known, metrics),
        figures=list(_figures(known, metrics)),
        examples=[_example(example) for example in known.examples[:_EXAMPLES]],
        charts=[chart.figure() for chart in run_charts(metrics)],
        notes=list(_notes(known, metrics)),
        evaluations=_evaluations(metrics),
        steps=_steps(metrics.steps),
        groups=list(_groups(known)),
    )


def _text(value: object) -> str:
    """A value as one line of text, of bounded length."""
    text = visible(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _summary(facts: Facts, metrics: Metrics) -> str:
    done = len(metrics.steps)
    parts = [
        facts.results.backend or facts.config.get("backend"),
        f"model {_model(facts.config)}",
        facts.data.source and f"text {_last(facts.data.source)}",
        quantity(done, "step"),
        facts.finished and f"finished {facts.finished[:16].replace('T', ' ')} UTC",
    ]
    return _text(" · ".join(str(part) for part in parts if part))


def _model(config: Mapping[str, Any]) -> str:
    """The model's name; without one it is the starter, or a model from scratch."""
    name, new = config.get("model"), config.get("from_scratch") is True
    if name is None:
        return "from scratch" if new else "starter"
    return f"{_last(str(name))}{' from scratch' if new else ''}"


def _last(name: str) -> str:
    """The last part of a path or of a name on the Hub."""
    return name.rstrip("/").rpartition("/")[2] or name


def _figures(facts: Facts, metrics: Metrics) -> Iterator[dict[str, str]]:
    """The figures at the top: a name, what it was before training, what it is after it."""
    first, last = _before(metrics), _after(facts, metrics)
    for label, value in _SHOWN:
        if last is not None:
            before = value(first) if first is not None and first is not last else ""
            yield {"label": label, "before": before, "value": value(last)}
    rates = [step.tokens_per_second for step in metrics.steps if step.tokens_per_second is not None]
    if rates:
        yield {"label": "tokens a second, median", "before": "", "value": f"{statistics.median(rates):,.0f}"}
    seconds = facts.results.training_seconds
    if seconds is not None and math.isfinite(seconds):
        yield {"label": _timed(facts.results), "before": "", "value": _duration(seconds)}


def _timed(results: Results) -> str:
    """What the recorded time is the time of: a run that went on has that of its last steps alone."""
    if results.new_steps is None or results.steps is None or results.new_steps >= results.steps:
        return "time of training"
    return f"time of the last {quantity(results.new_steps, 'step')}"


_SHOWN: Sequence[tuple[str, Callable[[HeldOut], str]]] = (
    ("held-out perplexity", lambda line: _number(line.perplexity)),
    ("held-out loss", lambda line: _number(line.loss)),
    ("held-out accuracy", lambda line: _percent(line.accuracy)),
)


def _before(metrics: Metrics) -> HeldOut | None:
    return next((line for line in metrics.held_out if line.step == 0), None)


def _after(facts: Facts, metrics: Metrics) -> HeldOut | None:
    """The evaluation of the saved weights; of a run that has not finished, the last one."""
    step = facts.results.model_step
    last = metrics.held_out[-1] if metrics.held_out else None
    return next((line for line in reversed(metrics.held_out) if line.step == step), last)


def _example(example: Example) -> dict[str, Any]:
    before, _, after = example.text.partition(_MASK)
    fillings = [("before training", example.before), ("after training", example.after)]
    return {
        "before": _text(before),
        "after": _text(after),
        "word": _text(example.word) if example.word is not None else None,
        "fillings": [_filling(title, filled, example.word) for title, filled in fillings if filled],
    }


def _filling(title: str, filled: Filled, word: str | None) -> dict[str, Any]:
    answers = [
        {
            "token": _text(answer.token.strip() or repr(answer.token)),
            # A word with a space before it and one without are two tokens.
            "right": answer.token.strip() == word and filled.rank in (None, place),
            "score": probability(answer.score, 3),
            "width": f"{100 * min(1.0, max(0.0, answer.score)):.1f}",
        }
        for place, answer in enumerate(filled.answers[:_ANSWERS], 1)
    ]
    rank = None
    if filled.rank is not None and filled.score is not None:
        rank = f"no. {filled.rank:,} of all, {probability(filled.score, 3)}"
    return {"title": title, "answers": answers, "rank": rank}


def _notes(facts: Facts, metrics: Metrics) -> Iterator[str]:
    """What must be known to read the curves."""
    each = thinning(metrics.steps)
    if each > 1:
        yield (
            f"{quantity(len(metrics.steps), 'step')} are drawn as at most {MOST_POINTS} points: each is the "
            f"mean of {each} steps, and the band around it goes from their least to their greatest value."
        )
    elif smooths(metrics.steps):
        yield "The faint lines are the values of single steps; the strong ones are smoothed."
    step, steps = facts.results.model_step, facts.results.steps
    if step is not None and steps is not None and step != steps:
        yield f"The saved model is the best one, of step {step:,}."
    if metrics.problem is not None:
        yield f"metrics.jsonl was read only in part: {_text(metrics.problem)}."


def _evaluations(metrics: Metrics) -> dict[str, Any]:
    rows = [
        [
            f"{line.step:,}",
            _number(line.loss),
            _number(line.perplexity),
            _percent(line.accuracy),
            _count(line),
        ]
        for line in (metrics.held_out[at] for at in spread_evenly(len(metrics.held_out), _ROWS))
    ]
    headings = ["step", "held-out loss", "perplexity", "accuracy", "masked tokens"]
    return {"headings": headings, "rows": rows, "of": _of(len(metrics.held_out), "evaluation")}


def _count(line: HeldOut) -> str:
    return _counted(line.masked_tokens) or ""


def _steps(steps: Sequence[Step]) -> dict[str, Any]:
    rows = [
        [
            f"{step.step:,}",
            "" if step.epoch is None else f"{step.epoch:.3g}",
            _number(step.loss),
            _number(step.learning_rate),
            _number(step.grad_norm),
            "" if step.tokens_per_second is None else f"{step.tokens_per_second:,.0f}",
        ]
        for step in (steps[at] for at in spread_evenly(len(steps), _ROWS))
    ]
    headings = ["step", "epoch", "loss", "learning rate", "gradient norm", "tokens/s"]
    return {"headings": headings, "rows": rows, "of": _of(len(steps), "step")}


def _of(count: int, noun: str) -> str:
    return f"{_ROWS} of {quantity(count, noun)}, evenly spread" if count > _ROWS else quantity(count, noun)


def _groups(facts: Facts) -> Iterator[dict[str, Any]]:
    """Named groups of facts, each a list of names and values."""
    data = facts.data
    text = {
        "text": data.source,
        "digest of the text": data.fingerprint,
        "digest of the model": data.model,
        "documents": _counted(data.documents),
        "training blocks": _counted(data.train_blocks),
        "held-out blocks": _counted(data.test_blocks),
    }
    machine = {
        "devices": ", ".join(facts.devices) or None,
        "ranks": facts.ranks,
        "head": facts.mlm_head,
        "time to make batches": _seconds(facts.results.batch_seconds),
    }
    settings = {name.replace("_", " "): value for name, value in facts.config.items()}
    for title, found in (
        ("Settings", settings),
        ("Text and model", text),
        ("Machine", machine),
        ("Versions", facts.versions),
    ):
        shown = {_text(name): _value(value) for name, value in found.items() if _is_set(value)}
        if shown:
            yield {"title": title, "facts": shown}


def _is_set(value: object) -> bool:
    return value is not None and value is not False and value not in ("", [], {})


def _value(value: object) -> str:
    return "yes" if value is True else _text(value)


def _counted(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g}%"


def _seconds(value: float | None) -> str | None:
    return None if value is None or not math.isfinite(value) else f"{value:.2f} s"


def _duration(seconds: float) -> str:
    if not 0 <= seconds < 1e9:
        return f"{seconds:.3g} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
