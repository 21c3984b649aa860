"""A training run from setup to saved model; engines fill in the hooks."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.errors import MlmError, RequestError
from mlm_core.framework import Framework
from mlm_core.hub.card import CardFacts, write_card
from mlm_core.hub.publisher import Publisher, Target
from mlm_core.hub.request import not_published, publisher_of, repository_name
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.directory import write_model
from mlm_core.model.initialization import ParameterSpecs
from mlm_core.network import Network
from mlm_core.progress import Progress
from mlm_core.system.interruption import ended_by_signals
from mlm_core.training.checkpoint import Checkpoint, Moments
from mlm_core.training.first_batch import FirstBatch
from mlm_core.training.loop import DoneStep, TrainedModel, TrainingLoop
from mlm_core.training.results import TrainingResult
from mlm_core.training.resume import find_checkpoint, finished_run
from mlm_core.training.run_card import write_run_card
from mlm_core.training.run_directory import METRICS, RunDirectory
from mlm_core.training.run_errors import out_of_memory, unwritable
from mlm_core.training.run_facts import all_versions, announce, run_facts
from mlm_core.training.setup import EvaluationSetup, TrainingSetup

if TYPE_CHECKING:
    from mlm_core.metrics.named import NamedMetrics


_PROBE_ROWS = 2
"""Rows on which the sparse head is compared with the dense one."""


class Trainer(ABC):
    """Trains and evaluates. The public methods are the same for every engine; nobody overrides them.

    Args:
        framework: what it trains with.
        setup: what is trained, resolved but for the framework's part.
        network: the model in the framework's hands, not built yet.
    """

    def __init__(self, framework: Framework, setup: EvaluationSetup, network: Network) -> None:
        self.framework = framework
        self.setup = setup
        self.network = network
        self._progress = Progress.of(setup.config)
        self._specs: ParameterSpecs | None = None
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
        setup = self._training_setup()
        self._on_step = on_step
        with self._memory_errors_explained():
            run = RunDirectory.reopen(setup.config)
            self._publisher = publisher_of(
                setup.config, setup.model.tokenizer, run.path if run is not None else None, self._progress
            )
            self._result = self._begin(setup) if run is None else self._resume(setup, run)
            return self._publish(self._result)

    def evaluate(self) -> MaskedSums:
        """Evaluate the model as it is now on the setup's held-out text, with the run's fixed masks."""
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
            keys = self.setup.evaluation_keys
            for row in self._progress.track(keys, "measuring held-out batches", len(keys)):
                batch = self.setup.test(row)
                metrics.add(self.network.logits(batch).argmax(-1), batch["labels"])
        return metrics.compute()

    def first_batch(self) -> FirstBatch:
        """The first batch of the plan through the model as it is now, without dropout, forward and back.

        Raises:
            RequestError: this trainer was made to evaluate only.
        """
        setup = self._training_setup()
        with self._memory_errors_explained():
            self._load()
            return self.network.first_batch(setup.train(setup.plan.keys(0)))

    def specs(self) -> ParameterSpecs:
        """The model's parameters by name and shape; builds it."""
        with self._memory_errors_explained():
            return self._load()

    def save(self, directory: str | Path) -> None:
        """Write the model as it is now: config, tokenizer and `model.safetensors` in PyTorch's layout."""
        self._load()
        self._write_model(Path(directory), self.network.weights())

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
        config = self.setup.config
        run = self._result.run_dir if self._result is not None else None
        name = hub_model_id or repository_name(config, run)
        target = Target(name, config.hub_private if private is None else private, config.also_h5)
        publisher = Publisher(target, self.setup.model.tokenizer, run, self._progress)
        publisher.check()
        if run is not None:
            return publisher.finish(run, "Model")
        with tempfile.TemporaryDirectory() as scratch:
            self.save(scratch)
            self._write_h5(Path(scratch))
            summary = f"A {self.setup.model.config.model_type} masked language model."
            name = publisher.name.rpartition("/")[2]
            write_card(Path(scratch), CardFacts(name, summary, self.setup.model.tokenizer.mask_token))
            return publisher.finish(Path(scratch), "Model")

    def _training_setup(self) -> TrainingSetup:
        if isinstance(self.setup, TrainingSetup):
            return self.setup
        raise RequestError(
            "this trainer was made to evaluate only",
            code="no_training_data",
            fix="make one with a Config",
        )

    # ---------------------------------------------------------------- a run: begun or resumed, trained, kept

    def _begin(self, setup: TrainingSetup) -> TrainingResult:
        if setup.config.resume:
            self._progress.say("there is no run to resume yet: starting at step 0")
        announce(setup, self.framework, self._progress)
        self._load()
        with RunDirectory.claim(setup.config, self.framework.name) as run:
            run.write_facts(self._facts(setup) | {"results": None})
            return self._run(setup, run, None)

    def _resume(self, setup: TrainingSetup, run: RunDirectory) -> TrainingResult:
        with run:
            finished = finished_run(setup, self._progress)
            if finished is not None:
                return finished
            announce(setup, self.framework, self._progress)
            checkpoint = find_checkpoint(setup, all_versions(self.framework), self._progress)
            self._load(checkpoint)
            if checkpoint is None:
                run.write_facts(self._facts(setup) | {"results": None})
            return self._run(setup, run, checkpoint)

    def _run(self, setup: TrainingSetup, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingResult:
        """Train in a run's directory; a version that is on its way to the Hub is abandoned with the run."""
        try:
            if self._publisher is not None:
                self._publisher.keep_in(run.path)
            loop = self._loop(setup, run, checkpoint)
            with loop:
                if loop.first_step < setup.plan.steps:
                    self._fit(loop, checkpoint.moments() if checkpoint is not None else None)
                before, (step, after) = loop.recorder.evaluations[0][1], loop.end()
            result = TrainingResult(run.path, self.framework.name, setup.plan.steps, before, after, step)
            self._keep(setup, run, result, loop.seconds)
            return result
        except BaseException as error:
            if self._publisher is not None:
                self._publisher.abandon()
            if isinstance(error, OSError):
                raise unwritable(error, run.path) from None
            raise

    def _loop(self, setup: TrainingSetup, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingLoop:
        config, network = setup.config, self.network
        looked_at = network.on_cpu() and not config.compile
        return TrainingLoop(
            setup,
            TrainedModel(self._evaluate, network.weights, self._moments, network.assign),
            run,
            checkpoint,
            versions=all_versions(self.framework),
            progress=self._progress,
            verify=config.verify_batches if config.verify_batches is not None else looked_at,
            on_step=self._on_step,
            publish=self._publish_version if self._publisher is not None else None,
        )

    def _keep(
        self, setup: TrainingSetup, run: RunDirectory, result: TrainingResult, seconds: tuple[float, float]
    ) -> None:
        """Write what a finished run leaves: the model, its card, `run.json`."""
        self.save(run.path)
        self._write_h5(run.path)
        versions = all_versions(self.framework)
        write_run_card(run.path, setup, result.model_step, result.after, versions, run.metrics)
        training, batches = seconds
        self._progress.detail(f"{training:.1f} s of training, {batches:.2f} s of making batches")
        results = result.as_results() | result.after.as_results() | {"model_step": result.model_step}
        results |= {"training_seconds": training, "batch_seconds": batches}
        evaluations = [astuple(result.before), astuple(result.after)]
        run.finish(self._facts(setup) | {"results": results, "evaluations": evaluations})

    # ---------------------------------------------------------------- publishing

    def _publish(self, result: TrainingResult) -> TrainingResult:
        """The result, with its model on the Hub where that was asked for."""
        if self._publisher is None:
            return result
        where = (result.run_dir, self._publisher.name, self.setup.config)
        try:
            with ended_by_signals():
                url = self._publisher.finish(result.run_dir, f"Trained for {result.steps:,} steps")
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
        setup = self._training_setup()
        assert self._publisher is not None

        def write(path: Path) -> None:
            self._write_model(path, weights)
            write_run_card(path, setup, step, held_out, all_versions(self.framework), run / METRICS)

        self._publisher.offer(f"Step {step:,} of {setup.plan.steps:,}", write)

    def _write_model(self, path: Path, weights: Mapping[str, Any]) -> None:
        model = self.setup.model
        write_model(path, weights, model.config, model.tokenizer, self.network.architecture(), model.code)

    def _write_h5(self, path: Path) -> None:
        if self.setup.config.also_h5:
            self.framework.write_h5(path)

    # ---------------------------------------------------------------- the model

    def _load(self, checkpoint: Checkpoint | None = None) -> ParameterSpecs:
        """Build the model and give it its first weights, once; later only a checkpoint's, if there is one."""
        if self._specs is None:
            with self._progress.phase("loading the model"):
                specs = self.network.build()
                self._prepare()
                self._assign_first(specs, checkpoint)
                self._choose_head()
            self._specs = specs
        elif checkpoint is not None:
            self.network.assign(checkpoint.weights())
        return self._specs

    def _assign_first(self, specs: ParameterSpecs, checkpoint: Checkpoint | None) -> None:
        """The weights of a checkpoint, else those the model starts from."""
        if checkpoint is not None:
            self.network.assign(checkpoint.weights_for(specs))
            return
        model, seed = self.setup.model, self.setup.config.seed
        initial = model.starting_weights(specs, seed, self.framework.read_pickled)
        if initial.drawn and model.weights is not None:
            if not isinstance(self.setup, TrainingSetup):
                raise initial.untrained_error(model.name)
            self._progress.say(f"drawn by the seed, not in the model: {', '.join(initial.drawn)}")
        if initial.unused:
            self._progress.detail(f"in the model, not used: {', '.join(initial.unused)}")
        self.network.assign(initial.weights)

    def _choose_head(self) -> None:
        """Use the sparse head unless told otherwise, where it computes what the dense one does."""
        if self.setup.config.mlm_head == "dense":
            return
        problem = self.network.choose_head(self.setup.test(self.setup.evaluation_keys[0][:_PROBE_ROWS]))
        if problem is not None:
            self._progress.say(f"logits are computed at every position, not at the masked ones: {problem}")

    def _facts(self, setup: TrainingSetup) -> dict[str, Any]:
        return run_facts(setup, self.framework) | {"mlm_head": self.network.head}

    def _memory_errors_explained(self) -> AbstractContextManager[None]:
        return self.framework.memory_errors_as(out_of_memory())

    def _evaluated_batch(self) -> None:
        """Engines call this after each batch of an evaluation."""
        self._progress.evaluated_batch(len(self.setup.evaluation_keys))

    # ---------------------------------------------------------------- hooks

    def _prepare(self) -> None:  # noqa: B027 - an engine may have nothing to make
        """Make what training and evaluation need besides the model, which has been built."""

    @abstractmethod
    def _fit(self, loop: TrainingLoop, moments: Moments | None) -> None:
        """Run the steps of the loop's plan from its first step on, with these moments.

        `loop.step_done` is called after each. Where its recorder has a verifier, the model notes in it what
        it receives. With a `loss_scale` the loss is multiplied by its value before the backward pass, and a
        step whose gradient is not finite changes neither weights nor moments, but counts.
        """

    @abstractmethod
    def _moments(self) -> Moments:
        """The optimizer's moments now."""

    @abstractmethod
    def _evaluate(self) -> MaskedSums:
        """The sums over every row of the setup's `evaluation_keys`, without dropout."""
