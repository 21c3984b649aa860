"""The training loop around the steps: what is recorded, evaluated and saved, and when it has to end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mlm_core.batches.batch import TimedAssembler
from mlm_core.config.config import required
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.initialization import Weights
from mlm_core.optimization.loss_scale import LEAST, LossScale
from mlm_core.progress import Progress
from mlm_core.system.interruption import InterruptedRunError, Interruption
from mlm_core.training.checkpoint import Checkpoint, Checkpoints, Moments
from mlm_core.training.recorder import Recorder
from mlm_core.training.resume import checkpoint_facts
from mlm_core.training.run_directory import RunDirectory
from mlm_core.training.run_errors import not_finite, unwritable, without_best
from mlm_core.training.setup import TrainingSetup


@dataclass(frozen=True)
class TrainedModel:
    """What a loop needs of the model and its optimizer.

    Attributes:
        evaluate: the sums over the held-out text, with the weights as they are now.
        weights: every parameter now.
        moments: the optimizer's moments now.
        assign: give every parameter its value.
    """

    evaluate: Callable[[], MaskedSums]
    weights: Callable[[], Mapping[str, Any]]
    moments: Callable[[], Moments]
    assign: Callable[[Weights], None]


@dataclass(frozen=True)
class DoneStep:
    """What there is to know of an optimizer step that is done.

    Attributes:
        line: as in `metrics.jsonl`.
        seconds: it took, from the end of the step before; evaluations left out.
        batch_seconds: that making as many batches takes, by what making batches has taken so far; TensorFlow
            makes them beside the work, and far ahead.
    """

    line: Mapping[str, Any]
    seconds: float
    batch_seconds: float


class TrainingLoop:
    """From a run's first step, or that of a checkpoint, to its last; to be entered around the steps.

    Args:
        setup: what is trained.
        model: what is asked of the framework's model.
        run: where it is kept.
        checkpoint: what it goes on from.
        versions: of packages, to be noted in checkpoints.
        progress: where it is said how far it is.
        verify: whether the model notes what it receives.
        on_step: is called after every step; what time it takes is none of the next step's.
        publish: is called with a step, the weights after it, their evaluation if there is one, and the run's
            directory, where a version is to be published before the end.

    Attributes:
        setup: the same, its batches timed.
        recorder: where steps and evaluations are noted.
        loss_scale: with `--precision fp16`.
        first_step: steps that are done already.
        interruption: whether the run is asked to end.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        model: TrainedModel,
        run: RunDirectory,
        checkpoint: Checkpoint | None,
        *,
        versions: Mapping[str, str],
        progress: Progress,
        verify: bool,
        on_step: Callable[[DoneStep], None] | None = None,
        publish: Callable[[int, Mapping[str, Any], MaskedSums | None, Path], None] | None = None,
    ) -> None:
        self._on_step = on_step
        self._publish = publish
        self._made = TimedAssembler(**vars(setup.train))
        self.setup = replace(setup, train=self._made)
        self._model = model
        self._versions = versions
        self._progress = progress
        self._run = run.path
        self._checkpoints = Checkpoints(run.path, setup.config.keep_checkpoints)
        facts: Mapping[str, Any] = checkpoint.facts if checkpoint is not None else {"recorder": {}}
        self.first_step = checkpoint.step if checkpoint is not None else 0
        self.recorder = Recorder(self.setup, run.metrics, progress, verify=verify, state=facts["recorder"])
        self.loss_scale: LossScale | None = None
        if setup.config.precision == "fp16":
            scale = facts.get("loss_scale")
            self.loss_scale = LossScale.of(scale) if scale is not None else LossScale()
        self.interruption = Interruption()

    def __enter__(self) -> Self:
        self.recorder.__enter__()
        try:
            if not self.recorder.evaluations:
                self.recorder.evaluation(0, self._model.evaluate())
            self.interruption.__enter__()
        except BaseException as error:
            self.recorder.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interruption.__exit__(kind, error, trace)
        self.recorder.__exit__(kind, error, trace)

    @property
    def seconds(self) -> tuple[float, float]:
        """Of training, and of making batches, in this process; TensorFlow makes them beside the work."""
        return self.recorder.seconds, self._made.seconds

    def step_done(self, step: int, sums: MaskedSums, grad_norm: float) -> None:
        """Note optimizer step `step`, counted from 1, with the sums of its batch; evaluate and save if due.

        Raises:
            RunError: a loss, gradient or weight is not finite, or a checkpoint cannot be written.
            InterruptedRunError: the run was asked to end; it is saved.
        """
        plan = self.setup.plan
        before = self.recorder.seconds
        line = self.recorder.step(step, sums, grad_norm)
        if not _is_finite(sums, grad_norm) and not self._overflowed(sums):
            # The loss of a step is that of the weights before it.
            good = step - 1 if math.isfinite(sums.loss) else step - 2
            reason = f"the loss at step {step} is {sums.mean_loss}, the gradient's norm {grad_norm}"
            raise not_finite(self._checkpoints, reason, good)
        if self.loss_scale is not None:
            self.loss_scale.step(math.isfinite(grad_norm))
        last = step == plan.steps
        if last or step % plan.steps_per_epoch == 0:
            self._evaluate(step)
        interrupted, best = self.interruption.received, self._best_step()
        if last or best == step or self._is_saved(step) or interrupted is not None:
            self._save(step, best)
        if not last and self._publish is not None and self._is_published(step):
            evaluated, held_out = self.recorder.evaluations[-1]
            self._publish(step, self._model.weights(), held_out if evaluated == step else None, self._run)
            self.recorder.restart_clock()
        if interrupted is not None and not last:
            again = f"mlm train --output-dir {self._checkpoints.run} --resume"
            raise InterruptedRunError(interrupted, step, f"{again} goes on")
        if self._on_step is not None:
            rows = self._made.seconds_per_row * plan.batch_size
            self._on_step(DoneStep(line, self.recorder.seconds - before, rows))
            self.recorder.restart_clock()

    def end(self) -> tuple[int, MaskedSums]:
        """The step that the run ends with, its weights now in the model, and its evaluation.

        A run that went on from its last step has none of that yet.

        Raises:
            RunError: it is not finite, or the best weights cannot be read.
        """
        if self.recorder.evaluations[-1][0] != self.setup.plan.steps:
            self._evaluate(self.setup.plan.steps)
        last, best = self.recorder.evaluations[-1], self.recorder.best
        if not math.isfinite(last[1].loss):
            raise self._bad_evaluation(*last)
        if not self.setup.config.load_best_model_at_end or best is None or best[0] == last[0]:
            return last
        weights = self._checkpoints.weights_at(best[0])
        if weights is None:
            raise without_best(best[0], self._checkpoints.damaged[-1])
        self._model.assign(weights)
        self._progress.say(f"step {best[0]} was the best: its weights are the model")
        return best

    def _evaluate(self, step: int) -> None:
        held_out = self._model.evaluate()
        self.recorder.evaluation(step, held_out)
        if held_out.masked_tokens and not math.isfinite(held_out.loss):
            raise self._bad_evaluation(step, held_out)

    def _bad_evaluation(self, step: int, held_out: MaskedSums) -> Exception:
        reason = f"the held-out loss after step {step} is {held_out.loss}"
        return not_finite(self._checkpoints, reason, step - 1)

    def _is_saved(self, step: int) -> bool:
        return step % required(self.setup.config.save_steps) == 0

    def _is_published(self, step: int) -> bool:
        """Whether a version is due; the last one is published when the run is complete."""
        strategy = self.setup.config.hub_strategy
        if strategy == "epoch":
            return step % self.setup.plan.steps_per_epoch == 0
        return strategy == "checkpoint" and self._is_saved(step)

    def _overflowed(self, sums: MaskedSums) -> bool:
        """Whether a gradient that is not finite may be the loss's scale, so that a smaller one is tried."""
        scale = self.loss_scale
        return scale is not None and scale.value > LEAST and math.isfinite(sums.loss)

    def _save(self, step: int, best: int | None) -> None:
        scale = {"loss_scale": self.loss_scale.state()} if self.loss_scale is not None else {}
        noted = scale | {"versions": self._versions, "recorder": self.recorder.state()}
        weights = self._model.weights()
        if not all(np.isfinite(array).all() for array in weights.values()):
            reason = f"the update of step {step} left weights that are not finite"
            raise not_finite(self._checkpoints, reason, step - 1)
        facts = checkpoint_facts(self.setup) | noted
        try:
            self._checkpoints.save(step, weights, self._model.moments(), facts, best=best)
        except OSError as error:
            raise unwritable(error, self._checkpoints.directory, f"the checkpoint of step {step} ") from None

    def _best_step(self) -> int | None:
        """The step of the best evaluation so far, where the run is to end with it."""
        best = self.recorder.best
        return best[0] if self.setup.config.load_best_model_at_end and best is not None else None


def _is_finite(sums: MaskedSums, grad_norm: float) -> bool:
    """Whether loss and gradient are finite; a batch without a masked token has neither."""
    return sums.masked_tokens == 0 or (math.isfinite(sums.loss) and math.isfinite(grad_norm))
