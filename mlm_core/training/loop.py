"""The training loop around the optimizer steps: recording, evaluating, saving, publishing, ending."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mlm_core.batches.batch import TimedAssembler
from mlm_core.errors import MlmError
from mlm_core.metrics.sums import MaskedSums
from mlm_core.optimization.loss_scale import LossScale
from mlm_core.progress import Progress
from mlm_core.ranks.notes import notes
from mlm_core.ranks.ranks import Ranks
from mlm_core.system.interruption import Interruption
from mlm_core.training import run_errors
from mlm_core.training.changes import checkpoint_facts
from mlm_core.training.checkpoint import Checkpoint, Checkpoints
from mlm_core.training.due import Due
from mlm_core.training.late_steps import LateStep, StepValues, check_finite
from mlm_core.training.recorder import Recorder
from mlm_core.training.run_directory import RunDirectory
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
        late: whether a step's values are read after the next step, where nothing is due between: so a GPU has
            work while the host records.
        on_step: called after every step; its time does not count for the next step, so none is read late,
            unless it has a method `awaits(step)`: whether it takes long after a step.
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
        late: bool = False,
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
        self.recorder = Recorder(
            self.setup, metrics, progress, verify=verify, state=facts["recorder"], first_step=self.first_step
        )
        # In several ranks such a run could not go on as it was.
        self.noise_by_row = checkpoint is None or facts.get("noise") == _NOISE or ranks.count > 1
        self.loss_scale: LossScale | None = None
        if setup.config.precision == "fp16":
            self.loss_scale = LossScale.of(facts.get("loss_scale"))
        self.interruption = Interruption(passed_on=notes() is not None, told=progress.stopping)
        self._evaluation_due = facts.get("evaluation_due") is True
        self._done = self.first_step
        self._due = Due(setup.plan, setup.config)
        # fp16: the next step's scale depends on this step's gradient. `on_step`: see above.
        self._awaits = getattr(on_step, "awaits", None)
        self._late = late and self.loss_scale is None and (on_step is None or self._awaits is not None)
        self._unread: LateStep | None = None
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
        try:
            if self._unread is not None and self._ranks.count == 1:
                # The last line before an error, and nothing else: the directory may be another run's.
                with suppress(Exception):
                    self._unread.record(self.recorder)
        finally:
            self.recorder.__exit__(kind, error, trace)

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds of training and of making batches in this process; TensorFlow makes batches in parallel."""
        return self.recorder.pace.seconds, self._made.seconds

    def step_done(self, step: int, values: StepValues) -> None:
        """Record optimizer step `step`, counted from 1; evaluate and save if due.

        Every rank calls it after every step.

        Args:
            step: the step's number.
            values: waits for the sums of the global batch and the gradient's norm, and returns them.

        Raises:
            RunError: a loss, gradient or weight is not finite, or a checkpoint cannot be written.
            InterruptedRunError: a signal asked a rank to end; the run is saved.
        """
        try:
            interrupted, digest = agree(self._run, self._ranks, self.interruption, self.recorder.verifier)
            self._read_late()
            done = LateStep(step, values, digest)
            awaited = self._awaits is not None and self._awaits(step)
            if self._late and interrupted is None and not awaited and self._due.nothing(step):
                self._unread = done
            else:
                self._step_done(done, interrupted)
        except MlmError as error:
            # All ranks have it.
            error.said_by = 0
            raise

    def _read_late(self) -> None:
        unread, self._unread = self._unread, None
        if unread is not None:
            self._tell(self._record(unread))

    def _record(self, done: LateStep) -> DoneStep:
        before = self.recorder.pace.seconds
        line, sums, grad_norm = done.record(self.recorder)
        check_finite(done.step, sums, grad_norm, self.loss_scale, self._checkpoints)
        if self.loss_scale is not None:
            self.loss_scale.step(math.isfinite(grad_norm))
        rows = self._made.seconds_per_row * self.setup.plan.batch_size
        return DoneStep(line, self.recorder.pace.seconds - before, rows)

    def _step_done(self, done: LateStep, interrupted: int | None) -> None:
        step, told = done.step, self._record(done)
        self._evaluation_due = self._due.evaluation(step)
        if self._evaluation_due and interrupted is None:
            interrupted = self._evaluate(step)
        best = self._best_step()
        if self._due.checkpoint(step) or best == step or interrupted is not None:
            self._save(step, best)
        if self._publish is not None and self._due.version(step):
            evaluated, held_out = self.recorder.evaluations[-1]
            known = held_out if evaluated == step else None
            self._publish(step, self._model.weights(), known, self._run.path)
            self.recorder.restart_clock()
        if interrupted is not None:
            raise run_errors.interrupted_run(interrupted, step, self._run.path)
        self._tell(told)

    def _tell(self, done: DoneStep) -> None:
        self._done = int(done.line["step"])
        if self._on_step is None:
            return
        try:
            self._on_step(done)
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
        self._read_late()
        if self._done != self.setup.plan.steps:
            raise run_errors.ended_early(self._done, self.setup.plan.steps)

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
                raise run_errors.interrupted_run(number, self.setup.plan.steps, self._run.path)
        last, best = self.recorder.evaluations[-1], self.recorder.best
        if not math.isfinite(last[1].loss_sum):
            raise run_errors.bad_evaluation(self._checkpoints, *last)
        if not self.setup.config.load_best_model_at_end or best is None or best[0] == last[0]:
            return last
        weights = self._checkpoints.weights_at(best[0])
        if weights is None:
            raise run_errors.without_best(best[0], self._checkpoints.damaged[-1])
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
        if held_out.masked_tokens and not math.isfinite(held_out.loss_sum):
            raise run_errors.bad_evaluation(self._checkpoints, step, held_out)
        return None

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
            raise run_errors.not_finite(self._checkpoints, reason, step - 1)
        check_same_weights(weights, self._ranks, step)
        facts, moments = checkpoint_facts(self.setup) | noted, self._model.moments()
        with self._ranks.together():
            # An evaluation may have taken long.
            self._run.check_in_place()
            if self._run.writes:
                with run_errors.writing(self._checkpoints.directory, f"the checkpoint of step {step} "):
                    self._checkpoints.save(step, weights, moments, facts, best=best)

    def _best_step(self) -> int | None:
        """The step of the best evaluation so far, if the run ends with the best weights; else None."""
        best = self.recorder.best
        return best[0] if self.setup.config.load_best_model_at_end and best is not None else None
