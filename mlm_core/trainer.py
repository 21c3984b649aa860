"""A training run from request to saved model; engines fill in the hooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.config import Config
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.job import EvaluationJob, TrainingJob, evaluation_job, training_job
from mlm_core.machine import cores
from mlm_core.metrics import MaskedSums
from mlm_core.model_card import write_card
from mlm_core.progress import Progress
from mlm_core.recorder import Recorder
from mlm_core.results import TrainingResult
from mlm_core.run_directory import choose_run_directory, create_run_directory, write_facts, write_model
from mlm_core.sources import Source
from mlm_core.versions import core_versions

if TYPE_CHECKING:
    from mlm_core.engine import Engine


class Trainer(ABC):
    """Trains and evaluates. The public methods are the same for every engine; nobody overrides them."""

    def __init__(self, engine: Engine, config: Config, source: Source) -> None:
        self.engine = engine
        self._source = source
        self.config = replace(config, backend=engine.name, threads=config.threads or cores())
        self._progress = Progress(quiet=config.quiet, logging_steps=config.logging_steps)
        self._job: EvaluationJob | None = None
        self._run: Path | None = None

    def train(self) -> TrainingResult:
        """Train, evaluate before and after, and save the run.

        Raises:
            RequestError: the request is wrong; nothing was written.
            RunError: training failed, at a loss that is not finite for instance.
        """
        config = self.config
        directory = choose_run_directory(config.output_dir, self.engine.name, config.overwrite)
        job = training_job(config, self._source)
        self._announce(job)
        self._load(job)
        self._run = create_run_directory(directory)
        facts = self._facts(job)
        write_facts(self._run, facts | {"results": None})
        verify = config.verify_batches if config.verify_batches is not None else self._on_cpu()
        with Recorder(job, self._run, self._progress, verify=verify) as recorder:
            recorder.evaluation(0, self._evaluate(job))
            self._fit(job, recorder)
            if recorder.evaluations[-1][0] != job.plan.steps:
                recorder.evaluation(job.plan.steps, self._evaluate(job))
        before, after = recorder.evaluations[0][1], recorder.evaluations[-1][1]
        result = TrainingResult(self._run, self.engine.name, job.plan.steps, before, after)
        self.save(self._run)
        write_card(self._run, job, result)
        write_facts(self._run, facts | {"results": result.as_results() | after.as_results()})
        return result

    def evaluate(self, *, whole: bool = False, fingerprint: str | None = None) -> MaskedSums:
        """Evaluate the model on the held-out part of its text, with the run's fixed masks.

        Args:
            whole: evaluate on all of the text.
            fingerprint: refuse a text with another fingerprint.

        Raises:
            RequestError: the request is wrong.
        """
        if self._job is None:
            self._load(evaluation_job(self.config, self._source, whole=whole, fingerprint=fingerprint))
        assert self._job is not None
        return self._evaluate(self._job)

    def save(self, directory: str | Path) -> None:
        """Write the model as it is now: config, tokenizer and `model.safetensors` in PyTorch's layout."""
        if self._job is None:
            self._load(training_job(self.config, self._source))
        assert self._job is not None
        model = self._job.model
        write_model(Path(directory), self._weights(), model.config, model.tokenizer, self._architecture())

    def _load(self, job: EvaluationJob) -> None:
        """Build the framework's model and give it the weights the core decided on."""
        outline = self._build(job)
        initial = job.starting_weights(outline)
        if initial.drawn and job.model.weights is not None:
            self._progress.say(f"drawn by the seed, not in the model: {', '.join(initial.drawn)}")
        self._assign(initial.weights)
        self._job = job

    def _announce(self, job: TrainingJob) -> None:
        config, plan = job.config, job.plan
        say = self._progress.say
        say(f"{self.engine.name}: {job.model.name} on {job.source.name} ({job.source.fingerprint})")
        say(
            f"{len(job.train.blocks):,} training and {len(job.test.blocks):,} held-out blocks of "
            f"{config.block_size} tokens, {plan.steps:,} steps of {plan.batch_size} blocks "
            f"({plan.epoch_at(plan.steps):.3g} epochs)"
        )
        say(
            f"learning rate {config.learning_rate:g} ({config.lr_scheduler}, {config.warmup_steps} steps "
            f"of warm-up), weight decay {config.weight_decay:g}, clipping {config.max_grad_norm:g}, "
            f"masking {config.mlm_probability:.0%} ({config.masking}), seed {config.seed}, "
            f"{config.threads} threads"
        )

    def _facts(self, job: TrainingJob) -> dict[str, Any]:
        # An absolute path, so that the run can be evaluated from anywhere.
        dataset = str(Path(job.config.dataset).resolve()) if job.config.dataset else None
        return {
            "config": replace(job.config, dataset=dataset).to_dict(),
            "data": {
                "source": job.source.name,
                "fingerprint": job.source.fingerprint,
                "documents": len(job.source.documents),
                "train_blocks": len(job.train.blocks),
                "test_blocks": len(job.test.blocks),
            },
            "versions": core_versions() | self.engine.versions(),
            "devices": self.engine.devices(),
        }

    @abstractmethod
    def _build(self, job: EvaluationJob) -> ModelOutline:
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
    def _fit(self, job: TrainingJob, recorder: Recorder) -> None:
        """Run every step of `job.plan`; report each step, and an evaluation after each epoch."""

    @abstractmethod
    def _evaluate(self, job: EvaluationJob) -> MaskedSums:
        """The sums over every row of `job.evaluation_keys`."""
