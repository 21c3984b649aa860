"""A training run from job to saved model; engines fill in the hooks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batch import Batch, BatchWitness, TimedAssembler
from mlm_core.checkpoint import Checkpoint, Checkpoints, Moments
from mlm_core.config import decided
from mlm_core.errors import RequestError
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.interruption import InterruptedRunError, Interruption
from mlm_core.job import EvaluationJob, TrainingJob
from mlm_core.loss_scale import LEAST, LossScale
from mlm_core.metrics import MaskedSums
from mlm_core.model_card import write_card
from mlm_core.model_directory import write_model
from mlm_core.parity.examination import Examination
from mlm_core.progress import Progress
from mlm_core.recorder import Recorder
from mlm_core.results import TrainingResult
from mlm_core.resume import checkpoint_facts, find_checkpoint, finished_run
from mlm_core.run_directory import RunDirectory
from mlm_core.run_errors import not_finite, out_of_memory, unwritable, without_best
from mlm_core.run_facts import all_versions, announce, run_facts
from mlm_core.sparse_head import choose_head

if TYPE_CHECKING:
    from mlm_core.engine import Engine
    from mlm_core.named_metrics import NamedMetrics


_PROBE_ROWS = 2
"""Rows on which the sparse head is compared with the dense one."""


class Trainer(ABC):
    """Trains and evaluates. The public methods are the same for every engine; nobody overrides them.

    Args:
        engine: the engine it belongs to.
        job: what is to be done, decided but for the framework's part.
    """

    def __init__(self, engine: Engine, job: EvaluationJob) -> None:
        self.engine = engine
        self.job = job
        self._progress = Progress.of(job.config)
        self._loaded = False
        self._head = "dense"
        self._recorder: Recorder | None = None
        self._interruption = Interruption()
        self._checkpoints: Checkpoints | None = None
        self._loss_scale: LossScale | None = None

    @property
    def _witness(self) -> BatchWitness | None:
        """Where the model notes what it receives while training; None: nobody asks."""
        return self._recorder.witness if self._recorder is not None else None

    def train(self) -> TrainingResult:
        """Train, evaluate before and after, and save the run.

        Raises:
            RequestError: the request is wrong; nothing was written.
            RunError: training failed, at a loss that is not finite for instance.
        """
        job = self._training_job()
        with self._memory_errors_explained():
            run = RunDirectory.reopen(job.config)
            if run is not None:
                with run:
                    return self._go_on(job, run)
            if job.config.resume:
                self._progress.say("there is no run to go on with yet: beginning at step 0")
            announce(job, self.engine, self._progress)
            self._load()
            with RunDirectory.claim(job.config, self.engine.name) as run:
                run.write_facts(self._facts(job) | {"results": None})
                return self._train(job, run, None)

    def evaluate(self) -> MaskedSums:
        """Evaluate the model as it is now on the job's held-out text, with the run's fixed masks."""
        with self._memory_errors_explained():
            self._load()
            return self._evaluate()

    def measure(self, metrics: NamedMetrics) -> dict[str, Any]:
        """What metrics of the `evaluate` library say of the held-out text's masked positions.

        Raises:
            RequestError: a metric fails on what it is given.
        """
        with self._memory_errors_explained():
            self._load()
            keys = self.job.evaluation_keys
            for row in self._progress.track(keys, "measuring held-out batches", len(keys)):
                batch = self.job.test(row)
                metrics.add(self._slot_logits(batch).argmax(-1), batch["labels"])
        return metrics.compute()

    def examine(self) -> Examination:
        """The first batch of the plan through the model as it is now, without dropout, forward and back.

        Raises:
            RequestError: this trainer was made to evaluate only.
        """
        job = self._training_job()
        with self._memory_errors_explained():
            self._load()
            return self._examine(job.train(job.plan.keys(0)))

    def save(self, directory: str | Path) -> None:
        """Write the model as it is now: config, tokenizer and `model.safetensors` in PyTorch's layout."""
        self._load()
        model = self.job.model
        write_model(Path(directory), self._weights(), model.config, model.tokenizer, self._architecture())

    def _training_job(self) -> TrainingJob:
        if isinstance(self.job, TrainingJob):
            return self.job
        raise RequestError(
            "this trainer was made to evaluate only",
            code="no_training_data",
            fix="make one with a Config",
        )

    def _go_on(self, job: TrainingJob, run: RunDirectory) -> TrainingResult:
        finished = finished_run(job, self._progress)
        if finished is not None:
            return finished
        announce(job, self.engine, self._progress)
        checkpoint = find_checkpoint(job, all_versions(self.engine), self._progress)
        self._load(checkpoint)
        if checkpoint is None:
            run.write_facts(self._facts(job) | {"results": None})
        return self._train(job, run, checkpoint)

    def _train(self, job: TrainingJob, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingResult:
        try:
            return self._trained(job, run, checkpoint)
        except OSError as error:
            raise unwritable(error, run.path) from None

    def _trained(self, job: TrainingJob, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingResult:
        looked_at = self._on_cpu() and not job.config.compile
        verify = job.config.verify_batches if job.config.verify_batches is not None else looked_at
        self._checkpoints = Checkpoints(run.path, job.config.keep_checkpoints)
        made = TimedAssembler(**vars(job.train))
        job = replace(job, train=made)
        state = checkpoint.facts["recorder"] if checkpoint is not None else {}
        if job.config.precision == "fp16":
            scale = checkpoint.facts.get("loss_scale") if checkpoint is not None else None
            self._loss_scale = LossScale.of(scale) if scale is not None else LossScale()
        with Recorder(job, run.metrics, self._progress, verify=verify, state=state) as recorder:
            self._recorder = recorder
            first = checkpoint.step if checkpoint is not None else 0
            if checkpoint is None:
                recorder.evaluation(0, self._evaluate())
            if first < job.plan.steps:
                with Interruption() as self._interruption:
                    self._fit(job, first, checkpoint.moments() if checkpoint is not None else None)
            if recorder.evaluations[-1][0] != job.plan.steps:
                recorder.evaluation(job.plan.steps, self._evaluate())
        before = recorder.evaluations[0][1]
        step, after = self._final_evaluation(job, recorder)
        if not math.isfinite(after.loss):
            raise not_finite(
                self._checkpoints, f"the held-out loss after the last step is {after.loss}", step - 1
            )
        result = TrainingResult(run.path, self.engine.name, job.plan.steps, before, after, step)
        self.save(run.path)
        write_card(run.path, job, result)
        results = result.as_results() | after.as_results() | {"model_step": step}
        # Of this process: a run that went on has spent more. In TensorFlow batches are made beside the work.
        results |= {"training_seconds": recorder.seconds, "batch_seconds": sum(made.seconds)}
        self._progress.detail(
            f"{recorder.seconds:.1f} s of training, {sum(made.seconds):.2f} s of making batches"
        )
        run.finish(self._facts(job) | {"results": results, "evaluations": [astuple(before), astuple(after)]})
        return result

    def _step_done(self, step: int, sums: MaskedSums, grad_norm: float) -> None:
        """Engines call this after every optimizer step, counted from 1, with the sums of its batch."""
        assert isinstance(self.job, TrainingJob) and self._recorder is not None
        assert self._checkpoints is not None
        plan, config = self.job.plan, self.job.config
        if not self._recorder.step(step, sums, grad_norm) and not self._overflowed(sums):
            # The loss of a step is that of the weights before it.
            good = step - 1 if math.isfinite(sums.loss) else step - 2
            reason = f"the loss at step {step} is {sums.mean_loss}, the gradient's norm {grad_norm}"
            raise not_finite(self._checkpoints, reason, good)
        if self._loss_scale is not None:
            self._loss_scale.step(math.isfinite(grad_norm))
        last = step == plan.steps
        if last or step % plan.steps_per_epoch == 0:
            held_out = self._evaluate()
            self._recorder.evaluation(step, held_out)
            if held_out.masked_tokens and not math.isfinite(held_out.loss):
                raise not_finite(
                    self._checkpoints, f"the held-out loss after step {step} is {held_out.loss}", step - 1
                )
        interrupted = self._interruption.received
        best = self._best_step(self.job, self._recorder)
        if last or best == step or step % decided(config.save_steps) == 0 or interrupted is not None:
            self._save_checkpoint(self.job, step, best)
        if interrupted is not None and not last:
            again = f"mlm train --output-dir {self._checkpoints.run} --resume"
            raise InterruptedRunError(interrupted, step, f"{again} goes on")

    def _overflowed(self, sums: MaskedSums) -> bool:
        """Whether a gradient that is not finite may be the loss's scale, so that a smaller one is tried."""
        scale = self._loss_scale
        return scale is not None and scale.value > LEAST and math.isfinite(sums.loss)

    def _save_checkpoint(self, job: TrainingJob, step: int, best: int | None) -> None:
        assert self._checkpoints is not None and self._recorder is not None
        scale = {"loss_scale": self._loss_scale.state()} if self._loss_scale is not None else {}
        noted = scale | {"versions": all_versions(self.engine), "recorder": self._recorder.state()}
        weights = self._weights()
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise not_finite(
                self._checkpoints, f"the update of step {step} left weights that are not finite", step - 1
            )
        try:
            self._checkpoints.save(step, weights, self._moments(), checkpoint_facts(job) | noted, best=best)
        except OSError as error:
            raise unwritable(error, self._checkpoints.directory, f"the checkpoint of step {step} ") from None

    @staticmethod
    def _best_step(job: TrainingJob, recorder: Recorder) -> int | None:
        """The step of the best evaluation so far, where the run is to end with it."""
        return recorder.best[0] if job.config.load_best_model_at_end and recorder.best is not None else None

    def _final_evaluation(self, job: TrainingJob, recorder: Recorder) -> tuple[int, MaskedSums]:
        """The step that the run ends with, its weights in the model, and its evaluation."""
        assert self._checkpoints is not None
        last, best = recorder.evaluations[-1], recorder.best
        if not job.config.load_best_model_at_end or best is None or best[0] == last[0]:
            return last
        weights = self._checkpoints.weights_at(best[0])
        if weights is None:
            raise without_best(best[0], self._checkpoints.damaged[-1])
        self._assign(weights)
        self._progress.say(f"step {best[0]} was the best: its weights are the model")
        return best

    def _evaluated_batch(self) -> None:
        """Engines call this after each batch of an evaluation."""
        self._progress.evaluated_batch(len(self.job.evaluation_keys))

    def _load(self, checkpoint: Checkpoint | None = None) -> None:
        """Build the framework's model and give it the weights the core decided on; once."""
        if not self._loaded:
            with self._progress.phase("loading the model"):
                self._load_now(checkpoint)
                self._choose_head()
            self._loaded = True
        elif checkpoint is not None:
            self._assign(checkpoint.weights())

    def _load_now(self, checkpoint: Checkpoint | None) -> None:
        outline = self._build()
        if checkpoint is not None:
            self._assign(checkpoint.weights_for(outline))
            return
        initial = self.job.model.starting_weights(outline, self.job.config.seed)
        if initial.drawn and self.job.model.weights is not None:
            if not isinstance(self.job, TrainingJob):
                raise initial.refusal(self.job.model.name)
            self._progress.say(f"drawn by the seed, not in the model: {', '.join(initial.drawn)}")
        if initial.unused:
            self._progress.detail(f"in the model, not used: {', '.join(initial.unused)}")
        self._assign(initial.weights)

    def _choose_head(self) -> None:
        """Use the sparse head unless told otherwise, where it computes what the dense one does."""
        if self.job.config.mlm_head == "dense":
            return
        probe = self.job.test(self.job.evaluation_keys[0][:_PROBE_ROWS])
        with self._in_float32():
            problem = choose_head(
                lambda sparse: self._use_head(sparse=sparse, probe=probe), lambda: self._slot_logits(probe)
            )
        if problem is None:
            self._head = "sparse"
        else:
            self._progress.say(f"the head computes all positions, not the masked ones alone: {problem}")

    def _facts(self, job: TrainingJob) -> dict[str, Any]:
        return run_facts(job, self.engine) | {"mlm_head": self._head}

    def _memory_errors_explained(self) -> Any:
        return self.engine.memory_errors_as(out_of_memory())

    def _in_float32(self) -> AbstractContextManager[None]:
        """While inside, products are of float32 whatever the precision, if the framework can change it."""
        return nullcontext()

    @abstractmethod
    def _build(self) -> ModelOutline:
        """Set the process up (threads, device) and build the model of `job.model.config`."""

    @abstractmethod
    def _assign(self, weights: Weights) -> None:
        """Give every parameter its value."""

    @abstractmethod
    def _weights(self) -> Mapping[str, Any]:
        """Every parameter now, as float32 numpy arrays by canonical name."""

    @abstractmethod
    def _architecture(self) -> str:
        """The PyTorch class name of the model, as `config.json` records it."""

    @abstractmethod
    def _on_cpu(self) -> bool:
        """Whether the model lies on the CPU, where looking at what it receives costs nothing."""

    @abstractmethod
    def _fit(self, job: TrainingJob, first_step: int, moments: Moments | None) -> None:
        """Run the plan's steps from `first_step` on, with these moments; call `_step_done` after each.

        With a `_loss_scale` the loss is multiplied by its value before the backward pass, and a step whose
        gradient is not finite changes neither weights nor moments, but counts.
        """

    @abstractmethod
    def _moments(self) -> Moments:
        """The optimizer's moments now."""

    @abstractmethod
    def _examine(self, batch: Batch) -> Examination:
        """Logits, sums and gradients of one batch, without dropout; nothing is updated."""

    @abstractmethod
    def _slot_logits(self, batch: Batch) -> NDArray[np.float32]:
        """The logits at the masked positions, `[batch, slots, vocabulary]`, without dropout."""

    @abstractmethod
    def _use_head(self, *, sparse: bool, probe: Batch) -> None:
        """From now on compute logits at the masked positions only, or at all; a model begins with all.

        Raises:
            Exception: the model's head cannot be told from the rest; `probe` is a batch to try.
        """

    @abstractmethod
    def _evaluate(self) -> MaskedSums:
        """The sums over every row of the job's `evaluation_keys`, without dropout."""
