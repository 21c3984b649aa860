"""Helpers for the tests of training: the metrics of a run, the batches of its plan, an interrupt."""

import json
import signal
from pathlib import Path

import pytest

from mlm_core.data.sources import load_source
from mlm_core.progress import Progress
from mlm_core.system.interruption import InterruptedRunError
from mlm_core.training.loop import TrainingLoop
from mlm_core.training.setup import training_setup


def planned(config):
    """The setup of a run and all batches of its plan, made by the core alone."""
    progress = Progress.of(config)
    setup = training_setup(config, load_source(config, progress=progress), progress)
    return setup, [setup.train(setup.plan.keys(step)) for step in range(setup.plan.steps)]


def interrupt(trainer, at, monkeypatch):
    """Train, and receive SIGTERM during step `at`."""
    step_done = TrainingLoop.step_done

    def interrupted(loop, step, *facts):
        if step == at:
            loop.interruption.received = signal.SIGTERM
        step_done(loop, step, *facts)

    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        patch.setattr(TrainingLoop, "step_done", interrupted)
        trainer.train()


def interrupt_evaluation(trainer, number, monkeypatch):
    """Train, and receive SIGTERM in the first batch of an evaluation; number 0 is the one before training."""
    batches = []

    def interrupted(loop):
        if len(loop.recorder.evaluations) == number:
            loop.interruption.received = signal.SIGTERM
            batches.append(number)
        evaluated_batch(loop)

    evaluated_batch = TrainingLoop.evaluated_batch
    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        patch.setattr(TrainingLoop, "evaluated_batch", interrupted)
        trainer.train()
    assert len(batches) == 1


def metrics(run: Path) -> list[dict]:
    """The lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def steps(run: Path) -> list[dict]:
    """The lines of the optimizer steps in `metrics.jsonl`."""
    return [line for line in metrics(run) if "loss" in line]
