"""A training run from setup to saved model; engines fill in the hooks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlm_core.config.arguments import as_function
from mlm_core.errors import RequestError
from mlm_core.evaluator import Evaluator
from mlm_core.framework import Framework
from mlm_core.network import Network
from mlm_core.ranks.errors import ranks_differ
from mlm_core.ranks.notes import notes
from mlm_core.training.checkpoint import Checkpoint, Moments
from mlm_core.training.filled_examples import RunExamples, read_examples
from mlm_core.training.finish import finish_run
from mlm_core.training.first_batch import FirstBatch
from mlm_core.training.loop import TrainingLoop
from mlm_core.training.publication import Publication, publish_on_request
from mlm_core.training.recorded_options import not_taken
from mlm_core.training.results import TrainingResult
from mlm_core.training.resume import find_checkpoint, finished_run
from mlm_core.training.run_directory import RunDirectory
from mlm_core.training.run_errors import explain_stop, writing
from mlm_core.training.run_facts import all_versions, announce, run_facts
from mlm_core.training.same_setup import check_same_run, check_same_weights, check_shared_run
from mlm_core.training.setup import EvaluationSetup, TrainingSetup
from mlm_core.training.trained_model import DoneStep, TrainedModel


class Trainer(Evaluator):
    """Trains, evaluates, saves and publishes a model. Engines override only the hooks.

    Args:
        framework: computes.
        setup: what is trained, every option resolved. A trainer with an `EvaluationSetup` cannot train.
        network: the framework's model, not built yet.
    """

    def __init__(self, framework: Framework, setup: EvaluationSetup, network: Network) -> None:
        super().__init__(framework, setup, network)
        self._on_step: Callable[[DoneStep], None] | None = None
        self._publication: Publication | None = None
        self._result: TrainingResult | None = None
        self._trained = False
        self._examples = RunExamples(network.exact_logits)

    def train(self, on_step: Callable[[DoneStep], None] | None = None) -> TrainingResult:
        """Train, evaluate before and after, and save the run.

        Args:
            on_step: called after every optimizer step, once the evaluation and the checkpoint that are due
                are done.

        Raises:
            RequestError: the request is wrong; nothing was written.
            RunError: training failed, for example at a loss that is not finite; or the model is trained and
                saved, but did not reach the Hub.
        """
        as_function("on_step", on_step)
        setup = self._training_setup()
        if self._trained:
            # From the first weights again, as the record of the new run says.
            self._specs = None
        self._trained = True
        self._on_step = on_step
        with self._memory_errors_explained():
            run = self._reopened(setup)
            return self._begin(setup) if run is None else self._resume(setup, run)

    def first_batch(self) -> FirstBatch:
        """Forward and backward pass of the plan's first batch with the current weights, without dropout.

        Raises:
            RequestError: this trainer can only evaluate.
        """
        setup = self._training_setup()
        with self._memory_errors_explained():
            self._load()
            return self.network.first_batch(setup.train(setup.plan.keys(0)))

    def push_to_hub(self, hub_model_id: str | None = None, *, private: bool | None = None) -> str:
        """Publish the model: the run's as it was saved, or, before training, the current weights.

        Args:
            hub_model_id: the repository; None: the config names it.
            private: whether a new repository is private; None: the config says.

        Returns:
            The address of the repository.

        Raises:
            RequestError: there is no token, or no name for the repository.
            RunError: the model did not reach the Hub.
        """
        run = self._result.run_dir if self._result is not None else None
        write = self._save_all
        if self.ranks.count > 1:
            # Every rank may hold a part of them.
            self._load()
            write = partial(self._save_all, weights=self.network.weights())
        address = ""
        with self.ranks.together():
            if self.ranks.first:
                address = publish_on_request(
                    self.setup, run, write, self._progress, hub_model_id=hub_model_id, private=private
                )
        return str(self.ranks.from_first(address))

    def _training_setup(self) -> TrainingSetup:
        if isinstance(self.setup, TrainingSetup):
            return self.setup
        raise RequestError(
            "this trainer can only evaluate",
            code="no_training_data",
            fix="create one with Engine.trainer",
        )

    def _reopened(self, setup: TrainingSetup) -> RunDirectory | None:
        """The directory of the run that resumes, the same for all ranks; None: a new run begins."""
        run = None
        try:
            with self.ranks.together():
                run = self._reopened_here(setup)
            check_same_run(run is not None, setup.config.output_dir, self.ranks)
        except BaseException:
            if run is not None:
                run.__exit__(None, None, None)
            raise
        return run

    def _reopened_here(self, setup: TrainingSetup) -> RunDirectory | None:
        run = RunDirectory.reopen(setup.config)
        if not self.ranks.first:
            return RunDirectory.shared(run.path) if run is not None else None
        place, versions = run.path if run is not None else None, all_versions(self.framework)
        self._publication = Publication.of(setup, place, self._write_model, versions, self._progress)
        if run is not None:
            # Here, where a failure ends all ranks.
            run.__enter__()
        return run

    def _claimed(self, setup: TrainingSetup) -> RunDirectory:
        """The directory of a new run: the first rank makes it, the others learn where it is."""
        run: RunDirectory | None = None
        with self.ranks.together():
            if self.ranks.first:
                run = RunDirectory.claim(setup.config, self.framework.name)
        path = self.ranks.from_first(str(run.path.absolute()) if run is not None else None)
        return run if run is not None else RunDirectory.shared(Path(str(path)))

    def _begin(self, setup: TrainingSetup) -> TrainingResult:
        if setup.config.resume:
            self._progress.say("there is no run to resume yet: starting at step 0")
        announce(setup, self.framework, self._progress)
        self._load()
        with self._claimed(setup) as run:
            self._say_left_behind(run)
            self._write_first_facts(setup, run)
            return self._published(self._run(setup, run, None))

    def _write_first_facts(self, setup: TrainingSetup, run: RunDirectory) -> None:
        self._examples.fill_before(setup)
        with self.ranks.together(), writing(run.path):
            run.write_facts(self._facts(setup) | {"results": None, "examples": self._examples.facts()})
        check_shared_run(run.path, self.ranks)

    def _resume(self, setup: TrainingSetup, run: RunDirectory) -> TrainingResult:
        with run:
            self._say_left_behind(run)
            for said in not_taken(setup.config):
                self._progress.warn(said)
            check_shared_run(run.path, self.ranks)
            finished = self.ranks.in_turn(lambda: finished_run(setup, self._progress))
            if finished is not None:
                return self._published(finished)
            checkpoint = self.ranks.in_turn(
                lambda: find_checkpoint(setup, all_versions(self.framework), self._progress)
            )
            self.ranks.check_same([("--resume", checkpoint and checkpoint.step)], ranks_differ)
            announce(setup, self.framework, self._progress)
            self._load(checkpoint)
            if checkpoint is None:
                self._write_first_facts(setup, run)
            else:
                self._examples.take(self.ranks.from_first(read_examples(run.path)))
            return self._published(self._run(setup, run, checkpoint))

    def _say_left_behind(self, run: RunDirectory) -> None:
        for left in run.left_behind():
            self._progress.warn(f"{left} holds a run that was replaced; move it back, or remove it")

    def _published(self, result: TrainingResult) -> TrainingResult:
        """Publish the final model, if requested, while the run's directory is still locked."""
        self._result = result
        with self.ranks.together():
            return result if self._publication is None else self._publication.finish(result)

    def _run(self, setup: TrainingSetup, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingResult:
        """Train in a run's directory; if that fails, abandon a version that is being uploaded."""
        launcher = notes()
        if launcher is not None and self.ranks.first:
            launcher.write_run(run.path)
        try:
            if self._publication is not None:
                self._publication.keep_in(run.path)
            check_same_weights(self.network.weights() if self.ranks.count > 1 else {}, self.ranks, 0)
            with self.ranks.together():
                # Loading the model may have taken long, and the metrics are opened by path.
                run.check_in_place()
            loop = self._loop(setup, run, checkpoint)
            self._after_batch = loop.evaluated_batch
            with loop:
                if loop.first_step < setup.plan.steps:
                    self.network.ready()
                    self._fit(loop, checkpoint.moments() if checkpoint is not None else None)
                    loop.check_done()
                before, (step, after) = loop.recorder.evaluations[0][1], loop.end()
            shown, pace = self._examples.fill_after(setup), loop.recorder.pace.facts
            name, steps = self.framework.name, setup.plan.steps
            result = TrainingResult(run.path, name, steps, before, after, step, examples=shown, **pace)
            weights = self.network.weights()
            with self.ranks.together(), writing(run.path), self._progress.phase("saving the model"):
                if run.writes:
                    self._keep(setup, run, result, loop.seconds, weights)
            return result
        except BaseException as error:
            if self._publication is not None:
                self._publication.abandon()
            explain_stop(error, run.path)
            raise
        finally:
            self._after_batch = None

    def _loop(self, setup: TrainingSetup, run: RunDirectory, checkpoint: Checkpoint | None) -> TrainingLoop:
        config, network = setup.config, self.network
        verified_by_default = network.on_cpu() and not config.compile
        return TrainingLoop(
            setup,
            TrainedModel(self._held_out, network.weights, self._moments, network.assign),
            run,
            checkpoint,
            self.ranks,
            versions=all_versions(self.framework),
            progress=self._progress,
            verify=config.verify_batches if config.verify_batches is not None else verified_by_default,
            late=not network.on_cpu(),
            on_step=self._on_step,
            publish=self._publication.version if self._publication is not None else None,
        )

    def _keep(
        self,
        setup: TrainingSetup,
        run: RunDirectory,
        result: TrainingResult,
        seconds: tuple[float, float],
        weights: Mapping[str, Any],
    ) -> None:
        """Write the model, its card, its report and `run.json` of a finished run."""
        run.before_saving()
        self._save_all(run.path, weights)
        finish_run(setup, run, result, seconds, self._facts(setup), self._progress)

    def _save_all(self, directory: Path, weights: Mapping[str, Any] | None = None) -> None:
        """Save the model, and `tf_model.h5` where the config asks for it; None: the current weights."""
        self._load()
        self._write_model(directory, self.network.weights() if weights is None else weights)
        if self.setup.config.also_h5:
            self.framework.write_h5(directory)

    def _facts(self, setup: TrainingSetup) -> dict[str, Any]:
        return run_facts(setup, self.framework) | {"mlm_head": self.network.head}

    # ---------------------------------------------------------------- hooks, besides the evaluator's

    @abstractmethod
    def _fit(self, loop: TrainingLoop, moments: Moments | None) -> None:
        """Run the plan's steps from the loop's first step on; `moments` are the optimizer's at its start.

        Call `loop.step_done` after each step. If the loop's recorder has a verifier, the model passes it each
        batch that it receives. With a `loss_scale`, multiply the loss by its value before the backward pass;
        a step whose gradient is not finite changes neither weights nor moments, but counts.
        """

    @abstractmethod
    def _moments(self) -> Moments:
        """The optimizer's moments now."""
