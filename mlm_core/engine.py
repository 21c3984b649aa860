"""What an engine is: a framework that makes trainers and predictors."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlm_core.errors import RequestError
from mlm_core.framework import Framework

if TYPE_CHECKING:
    from pathlib import Path

    from mlm_core.config.config import Config, Device
    from mlm_core.data.sources import Source
    from mlm_core.model.source import ModelSource
    from mlm_core.network import Network, NetworkOptions
    from mlm_core.predictor import Predictor
    from mlm_core.progress import Progress
    from mlm_core.trainer import Trainer
    from mlm_core.training.setup import EvaluationSetup, TrainingSetup


class Engine(Framework):
    """A way to train: found through the entry-point group `mlm.engines`."""

    def trainer(self, config: Config, dataset: Any = None) -> Trainer:
        """A trainer for a config. Text and model are read, checked and prepared here.

        Args:
            config: every option.
            dataset: a `datasets.Dataset` or `DatasetDict` to take the text from, in the place of
                `config.dataset`.

        Raises:
            RequestError: the data, the model or the output directory is wrong.
            RunError: as `prepare_process`.
        """
        from mlm_core.model.files import find_model
        from mlm_core.training.resolve import with_recorded
        from mlm_core.training.setup import training_setup

        if dataset is not None and config.dataset is not None:
            raise RequestError(
                "is given twice, in the config and beside it",
                code="duplicate_option",
                option="dataset",
                value=config.dataset,
                fix="leave one out",
            )
        config = with_recorded(config)
        files = find_model(config)
        self._check(config)
        if dataset is not None:
            config = replace(config, dataset=None)
        progress, source = self._source(config, dataset)
        return self._trainer_of(training_setup(config, source, progress, framework=self, files=files))

    def _check(self, config: Config) -> None:
        """Refuse what can be seen to be wrong before the text is read."""
        from mlm_core.hub.request import check_publishing
        from mlm_core.training.resume import check_resume
        from mlm_core.training.run_directory import check_output

        check_output(config)
        check_resume(config)
        check_publishing(config)
        if config.also_h5 and not self.writes_h5:
            raise self._no_h5()

    def evaluator(
        self, config: Config, dataset: Any = None, *, whole: bool = False, fingerprint: str | None = None
    ) -> Trainer:
        """A trainer that can only evaluate `config.model`; see `mlm_core.training.setup.evaluation_setup`.

        Raises:
            RequestError: the data or the model is wrong, or the text has another fingerprint.
            RunError: as `prepare_process`.
        """
        from mlm_core.model.files import find_model
        from mlm_core.training.setup import evaluation_setup

        files = find_model(config)
        progress, source = self._source(config, dataset)
        setup = evaluation_setup(
            config, source, progress, framework=self, files=files, whole=whole, fingerprint=fingerprint
        )
        return self._trainer_of(setup)

    def _source(self, config: Config, dataset: Any) -> tuple[Progress, Source]:
        """The text, read before anything of the framework is loaded."""
        from mlm_core.data.sources import load_source
        from mlm_core.progress import Progress

        progress = Progress.of(config)
        source = load_source(config, dataset, progress=progress)
        self.prepare_process()
        self.check_device(config.device)
        return progress, source

    def _trainer_of(self, setup: EvaluationSetup) -> Trainer:
        """A trainer for a setup; imports the framework."""
        from mlm_core.network import NetworkOptions
        from mlm_core.progress import Progress

        if self.modules[0] not in sys.modules:
            # A framework may silence stderr while it starts, so nothing can move there meanwhile.
            Progress.of(setup.config).aside(f"starting {self.modules[0]}, which takes seconds")
        network = self._network(setup.model, NetworkOptions.for_training(setup.config))
        return self._trainer_class()(self, setup, network)

    def predictor(
        self,
        run: str | Path,
        *,
        revision: str | None = None,
        allow_pickle: bool = False,
        trust_remote_code: bool = False,
        device: Device = "auto",
        threads: int | None = None,
        quiet: bool = False,
    ) -> Predictor:
        """A predictor on a model directory; its weights are read when they are first needed.

        Args:
            run: the directory of a run, any model directory, or a Hub name.
            revision: branch, tag or commit of a model on the Hub.
            allow_pickle, trust_remote_code: as the options of these names.
            device: as `--device`.
            threads: processor threads; None leaves the framework's own setting alone.
            quiet: say nothing of targets that are no tokens.

        Raises:
            RequestError: it is no model directory, or an option is wrong.
            RunError: as `prepare_process`.
        """
        from mlm_core.config.config import Config
        from mlm_core.model.files import find_model
        from mlm_core.predictor import Predictor

        config = Config(
            model=str(run),
            model_revision=revision,
            allow_pickle=allow_pickle,
            trust_remote_code=trust_remote_code,
            device=device,
            threads=threads,
            quiet=quiet,
        )
        files = find_model(config)
        self.prepare_process()
        self.check_device(config.device)
        return Predictor(self, config, files, self._network)

    def train_hf_recipe(self, setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
        """Train a setup's model on its blocks by the Hugging Face recipe, with masks of the recipe's own.

        `step_done` is called after each step, which has as many blocks as the setup's, with the seconds it
        took; its own time is not counted.

        Raises:
            RequestError: there is no recipe for this framework.
        """
        raise RequestError(
            f"the Hugging Face guide has no recipe for {self.name}",
            code="no_recipe",
            option="--baseline",
            fix="leave it out",
        )

    @abstractmethod
    def _network(self, model: ModelSource, options: NetworkOptions) -> Network:
        """The engine's network, not built yet; imports the framework."""

    @abstractmethod
    def _trainer_class(self) -> type[Trainer]:
        """The engine's trainer; imports the framework."""
