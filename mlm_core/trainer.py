"""A training run from job to saved model; engines fill in the hooks."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batch import Batch
from mlm_core.checkpoint import Checkpoint, Moments
from mlm_core.course import Course, DoneStep, TrainedModel
from mlm_core.errors import MlmError, RequestError
from mlm_core.hub.publisher import Publisher, Target
from mlm_core.hub.request import not_published, publisher_of, repository_name
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.interruption import ended_by_signals
from mlm_core.job import EvaluationJob, TrainingJob
from mlm_core.metrics import MaskedSums
from mlm_core.model_card import CardFacts, write_card, write_run_card
from mlm_core.model_directory import write_model
from mlm_core.parity.examination import Examination
from mlm_core.progress import Progress
from mlm_core.results import TrainingResult
from mlm_core.resume import find_checkpoint, finished_run
from mlm_core.run_directory import METRICS, RunDirectory
from mlm_core.run_errors import out_of_memory, unwritable
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
        self._outline: ModelOutline | None = None
        self._head = "dense"
        self._on_step: Callable[[DoneStep], None] | None = None
        self._publisher: Publisher | None = None
        self._result: TrainingResult | None = None

    def train(self, on_step: Callable[[DoneStep], None] | None = None) -> TrainingResult:
        """Train, evaluate before and after, and save the run.

        Args:
            on_step: is called after every optimizer step, when what is due then is evaluated and saved.

        Raises:
            RequestError: the request is wrong; nothing was written.
            RunError: training failed, at a loss that is not finite for instance; or the model is trained and
                saved, but did not reach the Hub.
        """
        job = self._training_job()
        self._on_step = on_step
        with self._memory_errors_explained():
            run = RunDirectory.reopen(job.config)
            self._publisher = publisher_of(job, run.path if run is not None else None, self._progress)
            if run is not None:
                with run:
                    return self._published(run, self._go_on(job, run))
            if job.config.resume:
                self._progress.say("there is no run to go on with yet: beginning at step 0")
            announce(job, self.engine, self._progress)
            self._load()
            with RunDirectory.claim(job.config, self.engine.name) as run:
                run.write_facts(self._facts(job) | {"results": None})
                return self._published(run, self._train(job, run, None))

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

    def outline(self) -> ModelOutline:
        """What the model is made of; builds it."""
        with self._memory_errors_explained():
            self._load()
        assert self._outline is not None
        return self._outline

    def save(self, directory: str | Path) -> None:
        """Write the model as it is now: config, tokenizer and `model.safetensors` in PyTorch's layout."""
        self._load()
        self._write_model(Path(directory), self._weights())

    def push_to_hub(self, hub_model_id: str | None = None, *, private: bool | None = None) -> str:
        """Publish the model: the run's as it was saved, or, before training, as it is now.

        Args:
            hub_model_id: the repository; None: as the config says.
            private: who may read the repository, if it is made; None: as the config says.

        Returns:
            The address of the repository.

        Raises:
            RequestError: there is no token, or no name for the repository.
            RunError: the model did not reach the Hub.
        """
        config = self.job.config
        name = hub_model_id or repository_name(config, self._result.run_dir if self._result else None)
        target = Target(name, config.hub_private if private is None else private, config.also_h5)
        run = self._result.run_dir if self._result is not None else None
        publisher = Publisher(target, self.job.model.tokenizer, run, self._progress)
        publisher.check()
        with tempfile.TemporaryDirectory() as scratch:
            if run is None:
                self.save(scratch)
                self._write_h5(Path(scratch))
                summary = f"A {self.job.model.config.model_type} masked language model."
                name = publisher.name.rpartition("/")[2]
                write_card(Path(scratch), CardFacts(name, summary, self.job.model.tokenizer.mask_token))
            return publisher.finish(run or Path(scratch), "Model")

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
        except BaseException as error:
            if self._publisher is not None:
                self._publisher.abandon()
            if isinstance(error, OSError):
                raise unwritable(error, run.path) from None
            raise

    def _trained(self, job: TrainingJob, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingResult:
        looked_at = self._on_cpu() and not job.config.compile
        if self._publisher is not None:
            self._publisher.keep_in(run.path)
        course = Course(
            job,
            TrainedModel(self._evaluate, self._weights, self._moments, self._assign),
            run,
            checkpoint,
            versions=all_versions(self.engine),
            progress=self._progress,
            verify=job.config.verify_batches if job.config.verify_batches is not None else looked_at,
            on_step=self._on_step,
            publish=self._publish_version if self._publisher is not None else None,
        )
        with course:
            if course.first_step < job.plan.steps:
                self._fit(course, checkpoint.moments() if checkpoint is not None else None)
            before, (step, after) = course.recorder.evaluations[0][1], course.end()
        result = TrainingResult(run.path, self.engine.name, job.plan.steps, before, after, step)
        self.save(run.path)
        self._write_h5(run.path)
        write_run_card(run.path, job, step, after, all_versions(self.engine), run.metrics)
        training, batches = course.seconds
        self._progress.detail(f"{training:.1f} s of training, {batches:.2f} s of making batches")
        results = result.as_results() | after.as_results() | {"model_step": step}
        results |= {"training_seconds": training, "batch_seconds": batches}
        run.finish(self._facts(job) | {"results": results, "evaluations": [astuple(before), astuple(after)]})
        return result

    def _published(self, run: RunDirectory, result: TrainingResult) -> TrainingResult:
        """The result, with its model on the Hub where that was asked for."""
        self._result = result
        if self._publisher is None:
            return result
        where = (run.path, self._publisher.name, self.job.config)
        try:
            with ended_by_signals():
                url = self._publisher.finish(run.path, f"Trained for {result.steps:,} steps")
        except (MlmError, OSError) as error:
            raise not_published(error, *where) from None
        except (KeyboardInterrupt, SystemExit):
            self._progress.warn(str(not_published(None, *where)))
            raise
        return replace(result, hub_url=url)

    def _publish_version(
        self, step: int, weights: Mapping[str, Any], held_out: MaskedSums | None, run: Path
    ) -> None:
        """Publish what there is after a step, beside the work."""
        job = self._training_job()
        assert self._publisher is not None

        def write(path: Path) -> None:
            self._write_model(path, weights)
            write_run_card(path, job, step, held_out, all_versions(self.engine), run / METRICS)

        self._publisher.offer(f"Step {step:,} of {job.plan.steps:,}", write)

    def _write_model(self, path: Path, weights: Mapping[str, Any]) -> None:
        model = self.job.model
        write_model(path, weights, model.config, model.tokenizer, self._architecture(), model.code)

    def _write_h5(self, path: Path) -> None:
        if self.job.config.also_h5:
            self.engine.write_h5(path)

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
        self._outline = outline = self._build()
        if checkpoint is not None:
            self._assign(checkpoint.weights_for(outline))
            return
        model, seed = self.job.model, self.job.config.seed
        initial = model.starting_weights(outline, seed, self.engine.read_pickled)
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
    def _fit(self, course: Course, moments: Moments | None) -> None:
        """Run the steps of the course's plan from its first step on, with these moments.

        `course.step_done` is called after each. Where its recorder has a witness, the model notes in it what
        it receives. With a `loss_scale` the loss is multiplied by its value before the backward pass, and a
        step whose gradient is not finite changes neither weights nor moments, but counts.
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
