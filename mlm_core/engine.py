"""What an engine is: the one thing that knows a framework."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from packaging.specifiers import SpecifierSet

from mlm_core.errors import MlmError, RequestError, RunError, first_line
from mlm_core.machine import cores, has_fast_bf16, processor_name
from mlm_core.versions import installed_versions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mlm_core.config import Config, Device
    from mlm_core.data.sources import Source
    from mlm_core.job import EvaluationJob, TrainingJob
    from mlm_core.predictor import Predictor
    from mlm_core.progress import Progress
    from mlm_core.trainer import Trainer


class Engine(ABC):
    """A way to train: found through the entry-point group `mlm.engines`.

    Attributes:
        name: the value of `--backend`.
        modules: what must be importable for the engine to work.
        packages: distributions whose versions are recorded in `run.json`.
        needs: versions of other packages without which it cannot work, as `{"transformers": "<5"}`.
        install: the command that installs what is missing.
        environment: variables that transformers and the framework read when they are imported.
        transformers_check: the function of `transformers.utils` that says whether it sees the framework.
        writes_h5: whether it can write `tf_model.h5`.
    """

    name: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]]
    needs: ClassVar[Mapping[str, str]] = MappingProxyType({})
    install: ClassVar[str]
    environment: ClassVar[Mapping[str, str]]
    transformers_check: ClassVar[str]
    writes_h5: ClassVar[bool] = False

    def missing(self) -> list[str]:
        """What is not installed, or not in a version that it works with; nothing is imported."""
        absent = [f"{module} is missing" for module in self._absent()]
        found = installed_versions(self.needs)
        unfit = [
            f"{package} is {number}, it needs {package}{self.needs[package]}"
            for package, number in found.items()
            if not SpecifierSet(self.needs[package], prereleases=True).contains(number)
        ]
        return absent + unfit

    def installed(self) -> bool:
        """Whether its framework is there, in whatever version; nothing is imported."""
        return not self._absent()

    def _absent(self) -> list[str]:
        return [module for module in self.modules if find_spec(module) is None]

    def available(self) -> bool:
        """Whether everything the engine needs is installed; nothing is imported."""
        return not self.missing()

    def versions(self) -> dict[str, str]:
        """Versions of the engine's packages, those that are installed; nothing is imported."""
        return installed_versions(self.packages)

    def prepare_process(self) -> None:
        """Set what must be set before the framework and transformers are first imported.

        Raises:
            RunError: transformers was imported before, without this framework.
        """
        os.environ.update(self.environment)
        transformers = sys.modules.get("transformers")
        if transformers is not None and not getattr(transformers.utils, self.transformers_check)():
            raise RunError(
                f"this process has loaded transformers without {self.modules[0]}",
                code="wrong_process",
                fix="use one backend in a process, and call load_engine before importing transformers",
            )

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
        from mlm_core.hub.request import check_publishing
        from mlm_core.job import training_job
        from mlm_core.model_source import check_model
        from mlm_core.resume import check_resume, with_recorded
        from mlm_core.run_directory import check_output

        check_model(config.model)
        check_output(config)
        check_resume(config)
        check_publishing(config)
        if config.also_h5 and not self.writes_h5:
            raise self._no_h5()
        if dataset is not None and config.dataset is not None:
            raise RequestError(
                "is given twice, in the config and beside it",
                code="duplicate_option",
                option="dataset",
                value=config.dataset,
                fix="leave one out",
            )
        config = type(config).from_dict(with_recorded(config.to_dict()))
        if dataset is not None:
            config = replace(config, dataset=None)
        progress, source = self._source(config, dataset)
        return self.trainer_of(training_job(self._placed(config), source, progress))

    def evaluator(
        self, config: Config, dataset: Any = None, *, whole: bool = False, fingerprint: str | None = None
    ) -> Trainer:
        """A trainer that can only evaluate `config.model`; see `mlm_core.job.evaluation_job`.

        Raises:
            RequestError: the data or the model is wrong, or the text has another fingerprint.
            RunError: as `prepare_process`.
        """
        from mlm_core.job import evaluation_job
        from mlm_core.model_source import check_model

        check_model(config.model)
        progress, source = self._source(config, dataset)
        return self.trainer_of(
            evaluation_job(self._placed(config), source, progress, whole=whole, fingerprint=fingerprint)
        )

    def _source(self, config: Config, dataset: Any) -> tuple[Progress, Source]:
        """The text, read before anything of the framework is loaded."""
        from mlm_core.data.sources import load_source
        from mlm_core.progress import Progress

        progress = Progress.of(config)
        source = load_source(config, dataset, progress=progress)
        self.prepare_process()
        self.check_device(config.device)
        return progress, source

    def trainer_of(self, job: EvaluationJob) -> Trainer:
        """A trainer for a job; imports the framework."""
        from mlm_core.progress import Progress

        if self.modules[0] not in sys.modules:
            # A framework may silence stderr while it starts, so nothing can move there meanwhile.
            Progress.of(job.config).aside(f"starting {self.modules[0]}, which takes seconds")
        return self._trainer_class()(self, job)

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
        from mlm_core.config import Config
        from mlm_core.model_source import check_model

        config = Config(
            model=str(run),
            model_revision=revision,
            allow_pickle=allow_pickle,
            trust_remote_code=trust_remote_code,
            device=device,
            threads=threads,
            quiet=quiet,
        )
        check_model(config.model)
        self.prepare_process()
        self.check_device(config.device)
        return self._predictor_class()(self, config)

    def check_device(self, device: Device) -> None:
        """Refuse a device that this engine's framework does not see.

        Raises:
            RequestError: there is no GPU.
        """
        if device == "gpu" and "gpu" not in self.devices():
            raise RequestError(
                f"{self.modules[0]} sees no GPU",
                code="no_device",
                option="--device",
                value=device,
                fix="use cpu",
            )

    @contextmanager
    def memory_errors_as(self, error: MlmError) -> Iterator[None]:
        """Raise `error` where the framework runs out of memory."""
        try:
            yield
        except MlmError:
            raise
        except Exception as raised:
            if isinstance(raised, MemoryError) or self._is_memory_error(raised):
                raise error from None
            if self._is_compile_error(raised):
                raise RunError(
                    f"the model cannot be compiled here ({first_line(raised)})",
                    code="not_compiled",
                    option="--compile",
                    fix="leave it out, or install what the framework compiles with",
                ) from None
            raise

    def _placed(self, config: Config) -> Config:
        """The config with this engine, its number of threads and its precision decided."""
        precision = config.precision
        if precision == "auto":
            on_gpu = config.device != "cpu" and "gpu" in self.devices()
            fast = self._has_fast_bf16() if on_gpu else has_fast_bf16()
            precision = "bf16" if fast else "float32"
        return replace(config, backend=self.name, threads=config.threads or cores(), precision=precision)

    @abstractmethod
    def _is_memory_error(self, error: Exception) -> bool:
        """Whether an exception is the framework's way of saying that memory ran out."""

    def _is_compile_error(self, error: Exception) -> bool:
        """Whether an exception is the framework's way of saying that it cannot compile."""
        return False

    def _has_fast_bf16(self) -> bool:
        """Whether the GPU multiplies bfloat16 numbers by itself, as far as the framework knows."""
        return False

    @abstractmethod
    def devices(self) -> list[str]:
        """What the framework can compute on, "cpu" and "gpu"; imports it."""

    def device_name(self, device: Device) -> str:
        """What computes where `--device` says so, as it calls itself."""
        return processor_name()

    def device_memory(self) -> float | None:
        """The most memory of a GPU that this process has used at once, in MB; None: it uses none."""
        return None

    def products(
        self, shapes: Sequence[tuple[int, int, int]], precision: str, device: Device
    ) -> Callable[[], None] | None:
        """What multiplies matrices and does nothing else, once for each `(rows, inner, columns)`.

        To be called as often as one likes; it returns when the last product is done. None: the engine has
        nothing of the kind.
        """
        return None

    def train_as_the_guide(self, job: TrainingJob, step_done: Callable[[float], None]) -> None:
        """Train a job's model on its blocks by the guide's own recipe, with masks of the recipe's own.

        `step_done` is called after each step, which has as many blocks as the job's, with the seconds it
        took; its own time is none of the next one's.

        Raises:
            RequestError: the guide has no recipe for this framework.
        """
        raise RequestError(
            f"the guide has no recipe for {self.name}",
            code="no_recipe",
            option="--baseline",
            fix="leave it out",
        )

    def read_pickled(self, path: Path) -> dict[str, NDArray[Any]]:
        """The floating-point arrays in a file that PyTorch has pickled, as data alone, by stored name.

        Raises:
            RequestError: the engine cannot read it.
        """
        raise RequestError(
            f"{self.name} cannot read {path.name}",
            code="no_pickle",
            option="--allow-pickle",
            fix="use --backend torch, or save it again with save_pretrained in PyTorch",
        )

    def write_h5(self, directory: Path) -> None:
        """Write `tf_model.h5` beside `model.safetensors`, with the same weights.

        Raises:
            RequestError: the engine cannot.
        """
        raise self._no_h5()

    def _no_h5(self) -> RequestError:
        return RequestError(
            f"{self.name} cannot write tf_model.h5",
            code="no_h5",
            option="--also-h5",
            fix="leave it out, or use --backend tf",
        )

    @abstractmethod
    def _trainer_class(self) -> type[Trainer]:
        """The engine's trainer; imports the framework."""

    @abstractmethod
    def _predictor_class(self) -> type[Predictor]:
        """The engine's predictor; imports the framework."""
