"""Reading `metrics.jsonl`, which may be damaged, or somebody else's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlm_core.system.json_files import BadJsonError, checked, read_json_lines
from mlm_core.system.os_errors import reason


@dataclass(frozen=True, slots=True)
class Step:
    """An optimizer step.

    Attributes:
        step: its number, from 1.
        epoch: passes over the training blocks so far.
        loss: mean over the masked tokens of the global batch.
        masked_tokens: how many these are.
        learning_rate: of the update.
        grad_norm: before clipping.
        tokens_per_second: speed of the step.

    A value is None where it is missing or not finite.
    """

    step: int
    epoch: float | None = None
    loss: float | None = None
    masked_tokens: int | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class HeldOut:
    """An evaluation of the held-out text.

    Attributes:
        step: optimizer steps before it.
        loss, perplexity, accuracy: over the masked tokens; None: unknown or not finite.
        masked_tokens: how many these are.
    """

    step: int
    loss: float | None = None
    perplexity: float | None = None
    accuracy: float | None = None
    masked_tokens: int | None = None


@dataclass(frozen=True)
class Metrics:
    """The course of a training.

    Attributes:
        steps: the optimizer steps, in the order of the file.
        held_out: the evaluations, in the order of the file.
        problem: why reading ended early; None: the whole file was read.
    """

    steps: Sequence[Step] = ()
    held_out: Sequence[HeldOut] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """What is read of a line; other keys are left alone."""

    step: int
    epoch: float | None = None
    loss: float | None = None
    masked_tokens: int | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    eval_loss: float | None = None
    eval_perplexity: float | None = None
    eval_accuracy: float | None = None
    eval_masked_tokens: int | None = None


def read_metrics(path: Path) -> Metrics:
    """Read the lines of a `metrics.jsonl`, up to the first that is none; nothing in it raises an error.

    Args:
        path: the file.
    """
    steps: list[Step] = []
    held_out: list[HeldOut] = []
    problem = None
    try:
        for content in read_json_lines(path):
            line = checked(content, _Line)
            if line.eval_masked_tokens is not None:
                held_out.append(_evaluation(line))
            else:
                steps.append(_step(line))
    except OSError as error:
        problem = reason(error)
    except BadJsonError as error:
        problem = str(error)
    return Metrics(steps, held_out, problem)


def _step(line: _Line) -> Step:
    return Step(
        line.step,
        line.epoch,
        line.loss,
        line.masked_tokens,
        line.learning_rate,
        line.grad_norm,
        line.tokens_per_second,
    )


def _evaluation(line: _Line) -> HeldOut:
    return HeldOut(
        line.step, line.eval_loss, line.eval_perplexity, line.eval_accuracy, line.eval_masked_tokens
    )


def mean_loss(steps: Iterable[Step]) -> float | None:
    """Mean loss of some steps, each masked token counted once; None if no loss is known."""
    known = [(step.loss, step.masked_tokens) for step in steps if step.loss is not None]
    # Where somebody has removed a count, every step counts alike.
    counts = [max(0, count) if count is not None else 0 for _, count in known]
    weights = counts if sum(counts) and all(count is not None for _, count in known) else [1] * len(known)
    total = sum(weights)
    # Divided first: a sum of what somebody has written there may be too large.
    return (
        math.fsum(loss * (weight / total) for (loss, _), weight in zip(known, weights, strict=True))
        if known
        else None
    )
