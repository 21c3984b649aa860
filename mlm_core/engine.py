"""An engine: a framework that makes trainers and predictors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlm_core.errors import MlmError, RequestError
from mlm_core.framework import Framework

if TYPE_CHECKING:
    from pathlib import Path

    from mlm_core.config.config import Config
    from mlm_core.config.runtime import Device
    from mlm_core.data.sources import Source
    from mlm_core.network import Network
    from mlm_core.predictor import Predictor
    from mlm_core.progress import Progress
    from mlm_core.trainer import Trainer
    from mlm_core.training.setup import EvaluationSetup, TrainingSetup


ALIASES = MappingProxyType({"pytorch": "torch", "tensorflow": "tf", "keras": "tf"})
"""Other names of engines."""


class Engine(Framework):
    """A framework that trains and predicts; found through the entry-point group `mlm.engines`."""

    def trainer(self, config: Config, dataset: Any = None) -> Trainer:
        """Make a trainer for a config. This reads, checks and prepares the text and the model.

        Args:
            config: every option.
            dataset: a `datasets.Dataset` or `DatasetDict` with the text, instead of `config.dataset`.

        Raises:
            RequestError: the data, the model or the output directory is wrong, or `config` is no Config.
            RunError: see `prepare_process`.
        """
        from mlm_core.progress import Progress
        from mlm_core.training.same_setup import check_same_setup

        _check_config(config, self.name)
        with Progress.of(config).phase("preparing the run", logged=False):
            self.join(_as_recorded(config))
            setup = self.ranks.in_turn(lambda: self._training_setup(config, dataset))
            check_same_setup(setup, self.ranks)
            return self._trainer_of(setup)

    def _training_setup(self, config: Config, dataset: Any) -> TrainingSetup:
        from mlm_core.model.find_model import find_model
        from mlm_core.training.recorded_options import check_text_given, with_recorded
        from mlm_core.training.setup import training_setup

        given, asked = config.dataset, config.given
        config = with_recorded(config)
        if not self.shards and "shard" not in asked:
            # Of the run that is resumed, in an engine that shards; its checkpoints are whole.
            config = replace(config, shard=False)
        files = find_model(config)
        self._check(config)
        if dataset is None:
            check_text_given(config)
        if dataset is not None and given is not None:
            raise RequestError(
                "given twice, in the config and as an argument",
                code="duplicate_option",
                option="dataset",
                value=given,
                fix="leave one out",
            )
        if dataset is not None:
            config = replace(config, dataset=None)
        progress, source = self._source(config, dataset)
        return training_setup(config, source, progress, framework=self, files=files)

    def _check(self, config: Config) -> None:
        """Raise the errors that show before the text is read."""
        from mlm_core.hub.request import check_publishing
        from mlm_core.training.changes import check_resume
        from mlm_core.training.output_directory import check_output

        check_output(config)
        check_resume(config)
        check_publishing(config)
        if config.also_h5 and not self.writes_h5:
            raise self._no_h5()
        if config.shard and not self.shards:
            raise RequestError(
                f"{self.name} gives every rank a whole model",
                code="no_shards",
                option="--shard",
                fix="leave it out, or use --backend torch",
            )

    def evaluator(
        self, config: Config, dataset: Any = None, *, whole: bool = False, fingerprint: str | None = None
    ) -> Trainer:
        """Make a trainer that can only evaluate `config.model`; see `training.setup.evaluation_setup`.

        Raises:
            RequestError: the data or the model is wrong, or the text has another fingerprint.
            RunError: see `prepare_process`.
        """
        from mlm_core.model.find_model import find_model
        from mlm_core.progress import Progress
        from mlm_core.training.setup import evaluation_setup

        def prepared() -> EvaluationSetup:
            files = find_model(config)
            progress, source = self._source(config, dataset)
            return evaluation_setup(
                config, source, progress, framework=self, files=files, whole=whole, fingerprint=fingerprint
            )

        _check_config(config, self.name)
        with Progress.of(config).phase("preparing the evaluation", logged=False):
            self.join(config)
            return self._trainer_of(self.ranks.in_turn(prepared))

    def _source(self, config: Config, dataset: Any) -> tuple[Progress, Source]:
        """Read the text, then prepare the process; the framework is not loaded yet."""
        from mlm_core.data.sources import load_source
        from mlm_core.progress import Progress
        from mlm_core.training.crowding import warn_of_crowding
        from mlm_core.training.starting import starting

        progress = Progress.of(config)
        warn_of_crowding(config, progress)
        source = load_source(config, dataset, progress=progress)
        self.prepare_process()
        with starting(self, progress) if config.device == "gpu" else nullcontext():
            self.check_device(config.device)
        if config.shard and self.ranks.count == 1:
            progress.say(
                "--shard changes nothing with one rank; mlm train --nproc or torchrun starts several"
            )
        if config.precision == "fp16" and (config.device == "cpu" or "gpu" not in self.devices()):
            progress.say("--precision fp16 is many times slower on a CPU; bf16 or float32 suits it")
        if config.precision == "tf32" and (config.device == "cpu" or "gpu" not in self.devices()):
            progress.say("--precision tf32 is float32 on a CPU")
        return progress, source

    def _trainer_of(self, setup: EvaluationSetup) -> Trainer:
        """Make a trainer for a setup; imports the framework."""
        from mlm_core.network import NetworkOptions
        from mlm_core.progress import Progress
        from mlm_core.training.starting import starting

        with starting(self, Progress.of(setup.config)):
            network = self._network_class()(setup.model, NetworkOptions.for_training(setup.config))
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
        """Make a predictor for a model directory; it reads the weights on first use.

        Args:
            run: the directory of a run, any model directory, or a Hub name.
            revision: branch, tag or commit of a model on the Hub.
            allow_pickle: see `--allow-pickle`.
            trust_remote_code: see `--trust-remote-code`.
            device: see `--device`.
            threads: processor threads; None keeps the framework's own setting.
            quiet: do not report targets that are not single tokens.

        Raises:
            RequestError: the directory holds no model, or an option is wrong.
            RunError: see `prepare_process`.
        """
        from mlm_core.config.arguments import as_name
        from mlm_core.config.config import Config
        from mlm_core.model.find_model import find_model
        from mlm_core.predictor import Predictor
        from mlm_core.progress import Progress
        from mlm_core.training.starting import starting

        config = Config(
            model=as_name("run", run),
            model_revision=revision,
            allow_pickle=allow_pickle,
            trust_remote_code=trust_remote_code,
            device=device,
            threads=threads,
            quiet=quiet,
        )
        files, progress = find_model(config), Progress.of(config)
        self.prepare_process()
        with starting(self, progress):
            self.check_device(config.device)
            return Predictor(self, config, files, self._network_class())

    def train_hf_recipe(self, setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
        """Train a setup's model on its blocks by the Hugging Face recipe, with the recipe's own masks.

        A step has as many blocks as a step of the setup. After each step, `step_done` receives the seconds it
        took; the time of `step_done` itself is not counted.

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
    def _network_class(self) -> type[Network]:
        """The engine's network; imports the framework."""

    @abstractmethod
    def _trainer_class(self) -> type[Trainer]:
        """The engine's trainer class; imports the framework."""


def _check_config(config: object, engine: str) -> None:
    from mlm_core.config.arguments import as_instance
    from mlm_core.config.config import Config

    backend = as_instance("config", config, Config, "a Config").backend
    if backend is not None and ALIASES.get(backend, backend) != engine:
        raise RequestError(
            f"is not the engine that was asked, {engine}",
            code="contradiction",
            option="--backend",
            value=backend,
            fix=f'leave it out, or use load_engine("{backend}")',
        )


def _as_recorded(config: Config) -> Config:
    """The config with the threads of the run that it resumes; if that is wrong, the setup says so."""
    from mlm_core.training.recorded_options import with_recorded

    try:
        return with_recorded(config)
    except MlmError:
        return config
