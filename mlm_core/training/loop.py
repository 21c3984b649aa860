"""The training loop around the optimizer steps: recording, evaluating, saving, publishing, ending."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mlm_core.batches.batch import TimedAssembler
from mlm_core.config.config import required
from mlm_core.errors import MlmError, RunError
from mlm_core.metrics.sums import MaskedSums
from mlm_core.optimization.loss_scale import LEAST, LossScale
from mlm_core.progress import Progress
from mlm_core.ranks.notes import notes
from mlm_core.ranks.ranks import Ranks
from mlm_core.system.interruption import InterruptedRunError, Interruption
from mlm_core.training.changes import checkpoint_facts
from mlm_core.training.checkpoint import Checkpoint, Checkpoints
from mlm_core.training.recorder import Recorder
from mlm_core.training.run_directory import RunDirectory
from mlm_core.training.run_errors import not_finite, resume_command, without_best, writing
from mlm_core.training.same_setup import check_same_weights
from mlm_core.training.setup import TrainingSetup
from mlm_core.training.step_agreement import agree, agreed_signal
from mlm_core.training.trained_model import DoneStep, EvaluationStoppedError, TrainedModel

_NOISE = "rows"


class TrainingLoop:
    """The context of a run's steps, from the first step, or the step of a checkpoint, to the last.

    Args:
        setup: of the run.
        model: functions of the framework's model.
        run: the run's directory.
        checkpoint: where the run resumes; None: at step 0.
        ranks: the processes that train.
        versions: of packages, recorded in checkpoints.
        progress: shows the progress.
        verify: whether the model records the batches it receives.
        on_step: called after every step; its time does not count for the next step.
        publish: called when a version is due before the end, with the step, the weights after it, their
            evaluation or None, and the run's directory.

    Attributes:
        setup: the same setup, with timed batches.
        recorder: records steps and evaluations.
        loss_scale: with `--precision fp16`, else None.
        first_step: number of steps already done.
        noise_by_row: whether dropout noise belongs to the row; runs of earlier versions drew it by the pass.
        interruption: records a signal that asks the run to end.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        model: TrainedModel,
        run: RunDirectory,
        checkpoint: Checkpoint | None,
        ranks: Ranks,
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
        self._run = run
        self._ranks = ranks
        self._checkpoints = Checkpoints(run.path, setup.config.keep_checkpoints)
        facts: Mapping[str, Any] = checkpoint.facts if checkpoint is not None else {"recorder": {}}
        self.first_step = checkpoint.step if checkpoint is not None else 0
        metrics = run.metrics if run.writes else None
        self.recorder = Recorder(self.setup, metrics, progress, verify=verify, state=facts["recorder"])
        # In several ranks such a run could not go on as it was.
        self.noise_by_row = checkpoint is None or facts.get("noise") == _NOISE or ranks.count > 1
        self.loss_scale: LossScale | None = None
        if setup.config.precision == "fp16":
            scale = facts.get("loss_scale")
            self.loss_scale = LossScale.of(scale) if scale is not None else LossScale()
        self.interruption = Interruption(passed_on=notes() is not None)
        self._evaluation_due = facts.get("evaluation_due") is True
        self._done = self.first_step
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        self.recorder.__enter__()
        try:
            if not self.recorder.evaluations:
                self.recorder.evaluation(0, self._model.evaluate())
            elif self._evaluation_due and self.first_step < self.setup.plan.steps:
                self._evaluate(self.first_step)
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
        """Seconds of training and of making batches in this process; TensorFlow makes batches in parallel."""
        return self.recorder.seconds, self._made.seconds

    def step_done(self, step: int, sums: MaskedSums, grad_norm: float) -> None:
        """Record optimizer step `step`, counted from 1, with the sums of its batch; evaluate and save if due.

        Every rank calls it, with the sums and the norm over all ranks.

        Raises:
            RunError: a loss, gradient or weight is not finite, or a checkpoint cannot be written.
            InterruptedRunError: a signal asked a rank to end; the run is saved.
        """
        try:
            self._step_done(step, sums, grad_norm)
        except MlmError as error:
            # All ranks have it.
            error.said_by = 0
            raise

    def _step_done(self, step: int, sums: MaskedSums, grad_norm: float) -> None:
        plan = self.setup.plan
        interrupted, digest = agree(self._run, self._ranks, self.interruption, self.recorder.verifier)
        before = self.recorder.seconds
        line = self.recorder.step(step, sums, grad_norm, digest)
        if not _is_finite(sums, grad_norm) and not self._overflowed(sums):
            # A step's loss is the loss of the weights before the step.
            good = step - 1 if math.isfinite(sums.loss) else step - 2
            reason = f"the loss at step {step} is {sums.mean_loss}, the gradient's norm is {grad_norm}"
            raise not_finite(self._checkpoints, reason, good)
        if self.loss_scale is not None:
            self.loss_scale.step(math.isfinite(grad_norm))
        last = step == plan.steps
        self._evaluation_due = last or step % plan.steps_per_epoch == 0
        if self._evaluation_due and interrupted is None:
            interrupted = self._evaluate(step)
        best = self._best_step()
        if last or best == step or self._is_saved(step) or interrupted is not None:
            self._save(step, best)
        if not last and self._publish is not None and self._is_published(step):
            evaluated, held_out = self.recorder.evaluations[-1]
            self._publish(
                step, self._model.weights(), held_out if evaluated == step else None, self._run.path
            )
            self.recorder.restart_clock()
        if interrupted is not None:
            raise self._interrupted(interrupted, step)
        self._done = step
        if self._on_step is not None:
            rows = self._made.seconds_per_row * plan.batch_size
            try:
                self._on_step(DoneStep(line, self.recorder.seconds - before, rows))
            except Exception as error:
                # A framework may take it for its own, as Keras takes StopIteration.
                self._failure = error
                raise
            self.recorder.restart_clock()

    def check_done(self) -> None:
        """Check that all steps were done, whatever ended the framework's loop.

        Raises:
            Exception: what `on_step` raised.
            RunError: the framework ended early without an error.
        """
        if self._failure is not None:
            raise self._failure
        if self._done != self.setup.plan.steps:
            raise RunError(
                f"training ended after step {self._done} of {self.setup.plan.steps}",
                code="ended_early",
                fix="--resume continues from the newest complete checkpoint",
            )

    def end(self) -> tuple[int, MaskedSums]:
        """Put the final weights into the model; return their step and their evaluation.

        A run that resumed at its last step is evaluated here.

        Raises:
            RunError: the evaluation is not finite, or the best weights cannot be read.
            InterruptedRunError: a signal asked a rank to end.
        """
        if self.recorder.evaluations[-1][0] != self.setup.plan.steps:
            number = self._evaluate(self.setup.plan.steps)
            if number is not None:
                raise self._interrupted(number, self.setup.plan.steps)
        last, best = self.recorder.evaluations[-1], self.recorder.best
        if not math.isfinite(last[1].loss):
            raise self._bad_evaluation(*last)
        if not self.setup.config.load_best_model_at_end or best is None or best[0] == last[0]:
            return last
        weights = self._checkpoints.weights_at(best[0])
        if weights is None:
            raise without_best(best[0], self._checkpoints.damaged[-1])
        self._model.assign(weights)
        self._progress.say(f"step {best[0]} was the best: the model has its weights")
        return best

    def evaluated_batch(self) -> None:
        """End an evaluation if a signal asked a rank to end; called after each of its batches, by every rank.

        Raises:
            EvaluationStoppedError: it is to end. A resumed run does it again.
        """
        number = agreed_signal(self._ranks, self.interruption)
        if number is not None:
            raise EvaluationStoppedError(number)

    def _evaluate(self, step: int) -> int | None:
        """Evaluate; return the number of the signal that ended the evaluation, None if it was done."""
        try:
            held_out = self._model.evaluate()
        except EvaluationStoppedError as stopped:
            return stopped.number
        self._evaluation_due = False
        self.recorder.evaluation(step, held_out)
        if held_out.masked_tokens and not math.isfinite(held_out.loss):
            raise self._bad_evaluation(step, held_out)
        return None

    def _interrupted(self, number: int, step: int) -> InterruptedRunError:
        error = InterruptedRunError(number, step, f"{resume_command(self._checkpoints.run)} resumes it")
        # All ranks have it.
        error.said_by = 0
        return error

    def _bad_evaluation(self, step: int, held_out: MaskedSums) -> Exception:
        reason = f"the held-out loss after step {step} is {held_out.loss}"
        return not_finite(self._checkpoints, reason, step - 1)

    def _is_saved(self, step: int) -> bool:
        return step % required(self.setup.config.save_steps) == 0

    def _is_published(self, step: int) -> bool:
        """Whether a version is due; the final model is published when the run is complete."""
        strategy = self.setup.config.hub_strategy
        if strategy == "epoch":
            return step % self.setup.plan.steps_per_epoch == 0
        return strategy == "checkpoint" and self._is_saved(step)

    def _overflowed(self, sums: MaskedSums) -> bool:
        """Whether the loss scale may explain a gradient that is not finite; then a smaller scale is tried."""
        scale = self.loss_scale
        return scale is not None and scale.value > LEAST and math.isfinite(sums.loss)

    def _save(self, step: int, best: int | None) -> None:
        scale = {"loss_scale": self.loss_scale.state()} if self.loss_scale is not None else {}
        noted = (
            scale
            | ({"noise": _NOISE} if self.noise_by_row else {})
            | ({"evaluation_due": True} if self._evaluation_due else {})
            | {"versions": self._versions, "recorder": self.recorder.state()}
        )
        weights = self._model.weights()
        if not all(np.isfinite(array).all() for array in weights.values()):
            reason = f"the update of step {step} left weights that are not finite"
            raise not_finite(self._checkpoints, reason, step - 1)
        check_same_weights(weights, self._ranks, step)
        facts, moments = checkpoint_facts(self.setup) | noted, self._model.moments()
        with self._ranks.together():
            # An evaluation may have taken long.
            self._run.check_in_place()
            if self._run.writes:
                with writing(self._checkpoints.directory, f"the checkpoint of step {step} "):
                    self._checkpoints.save(step, weights, moments, facts, best=best)

    def _best_step(self) -> int | None:
        """The step of the best evaluation so far, if the run ends with the best weights; else None."""
        best = self.recorder.best
        return best[0] if self.setup.config.load_best_model_at_end and best is not None else None


def _is_finite(sums: MaskedSums, grad_norm: float) -> bool:
    """Whether loss and gradient are finite; a batch without masked tokens has neither, and passes."""
    return sums.masked_tokens == 0 or (math.isfinite(sums.loss) and math.isfinite(grad_norm))
