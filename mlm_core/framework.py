"""A framework: its versions, devices, memory and errors."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from packaging.specifiers import SpecifierSet

from mlm_core.errors import MlmError, RequestError, RunError, first_line
from mlm_core.ranks.errors import lost_rank
from mlm_core.ranks.launch import Launched, launched
from mlm_core.ranks.ranks import Gather, Ranks
from mlm_core.system.interruption import waiting
from mlm_core.system.machine import has_fast_bf16, processor_name
from mlm_core.system.versions import installed_versions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mlm_core.config.runtime import Device, RuntimeConfig


class Framework(ABC):
    """A framework on this machine. Nothing here trains or predicts.

    Attributes:
        name: the value of `--backend`.
        modules: modules that must be importable.
        packages: distributions whose versions are recorded in `run.json`.
        needs: version ranges of other packages that it requires, for example `{"transformers": "<5"}`.
        install: the command that installs what is missing.
        environment: variables that transformers and the framework read on import.
        transformers_check: the function of `transformers.utils` that tells whether it sees the framework.
        writes_h5: whether it can write `tf_model.h5`.
        shards: whether it can give each rank a share of the parameters.
        ranks: the ranks that this process belongs to; alone until it has joined them.
    """

    name: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]]
    needs: ClassVar[Mapping[str, str]] = MappingProxyType({})
    install: ClassVar[str]
    environment: ClassVar[Mapping[str, str]]
    transformers_check: ClassVar[str]
    writes_h5: ClassVar[bool] = False
    shards: ClassVar[bool] = False
    ranks: Ranks = Ranks()

    def missing(self) -> list[str]:
        """Modules and packages that are absent or have an unsupported version; nothing is imported."""
        absent = [f"{module} is missing" for module in self._absent()]
        found = installed_versions(self.needs)
        unfit = [
            f"{package} is {number}, but {package}{self.needs[package]} is required"
            for package, number in found.items()
            if not SpecifierSet(self.needs[package], prereleases=True).contains(number)
        ]
        return absent + unfit

    def installed(self) -> bool:
        """Whether the framework is installed, in any version; nothing is imported."""
        return not self._absent()

    def _absent(self) -> list[str]:
        return [module for module in self.modules if find_spec(module) is None]

    def available(self) -> bool:
        """Whether everything the engine needs is installed; nothing is imported."""
        return not self.missing()

    def versions(self) -> dict[str, str]:
        """Versions of the engine's installed packages; nothing is imported."""
        return installed_versions(self.packages)

    def prepare_process(self) -> None:
        """Set the environment variables that the framework and transformers read on their first import.

        Raises:
            RunError: transformers is already imported, without this framework.
        """
        os.environ.update(self.environment)
        if not self.fits_process():
            raise RunError(
                f"this process has loaded transformers without {self.modules[0]}",
                code="wrong_process",
                fix="one process works with one backend: start another process (in a notebook, restart the "
                "kernel), and call train or load_engine there before anything imports transformers",
            )

    def fits_process(self) -> bool:
        """Whether this process can work with the framework: transformers is not imported, or sees it."""
        # Another thread may just be importing it; this import waits until that is done.
        utils = import_module("transformers.utils") if "transformers" in sys.modules else None
        return utils is None or bool(getattr(utils, self.transformers_check)())

    def check_device(self, device: Device) -> None:
        """Check that the framework sees a device.

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

    def replicas(self, device: Device) -> int:
        """How many shares a micro-batch is cut into, once the process has joined the ranks."""
        return self.ranks.count

    def join(self, config: RuntimeConfig) -> None:
        """Join the other ranks, if a launcher has started several; without effect if that is done.

        Args:
            config: device, threads and patience.

        Raises:
            RequestError: the framework cannot join, or the launcher's variables are wrong.
            RunError: the ranks did not find each other.
        """
        place = launched()
        if place.count == self.ranks.count:
            return
        self.prepare_process()
        self.check_device(config.device)
        with waiting():
            self.ranks = Ranks(place, self._gather_bytes(place, config))

    def _gather_bytes(self, place: Launched, config: RuntimeConfig) -> Gather:
        """Connect to the other ranks; see `Ranks.gather_bytes`, and `join` for the rest.

        Raises:
            RequestError: the framework works in one process only.
        """
        raise RequestError(
            f"{self.name} trains in one process only",
            code="several_processes",
            option=place.by,
            value=place.count,
            fix="start one process",
        )

    def _is_lost_rank(self, error: Exception) -> bool:
        """Whether an exception of the framework means that another rank has ended or does not answer."""
        return False

    @contextmanager
    def memory_errors_as(self, error: MlmError) -> Iterator[None]:
        """While inside, raise `error` when memory runs out, and an error with a fix when compiling fails."""
        try:
            yield
        except MlmError:
            raise
        except Exception as raised:
            if isinstance(raised, MemoryError) or self._is_memory_error(raised):
                raise error from None
            if self.ranks.count > 1 and self._is_lost_rank(raised):
                raise lost_rank(self.ranks.rank, self.ranks.count) from None
            if self._is_compile_error(raised):
                raise RunError(
                    f"the model cannot be compiled here ({first_line(raised)})",
                    code="not_compiled",
                    option="--compile",
                    fix="leave it out, or install the compiler that the framework needs",
                ) from None
            raise

    def auto_precision(self, device: Device) -> Literal["bf16", "float32"]:
        """The value of `--precision auto`: "bf16" where the processor or the GPU multiplies it fast."""
        on_gpu = device != "cpu" and "gpu" in self.devices()
        fast = self._has_fast_bf16() if on_gpu else has_fast_bf16()
        return "bf16" if fast else "float32"

    @abstractmethod
    def _is_memory_error(self, error: Exception) -> bool:
        """Whether an exception of the framework means that memory ran out."""

    def _is_compile_error(self, error: Exception) -> bool:
        """Whether an exception of the framework means that it cannot compile."""
        return False

    def _has_fast_bf16(self) -> bool:
        """Whether the GPU multiplies bfloat16 numbers in hardware, as far as the framework knows."""
        return False

    @abstractmethod
    def devices(self) -> list[str]:
        """The devices that the framework sees, "cpu" and "gpu"; imports the framework."""

    def gpus(self) -> list[str]:
        """The product names of the GPUs that this process sees; imports the framework."""
        return []

    def collectives(self) -> str:
        """What carries sums between ranks, with versions, for people; imports the framework."""
        return "nothing"

    def device_name(self, device: Device) -> str:
        """The product name of the processor or GPU that `--device` selects."""
        return processor_name()

    def device_memory(self) -> float | None:
        """Peak GPU memory of this process in MB; None: it uses no GPU."""
        return None

    def matmul(
        self, shapes: Sequence[tuple[int, int, int]], precision: str, device: Device
    ) -> Callable[[], None] | None:
        """Make a function that multiplies matrices of shapes `(rows, inner, columns)`, one after the other.

        The function returns when the last product is done. None: the framework has no such function.
        """
        return None

    def read_pickled(self, path: Path) -> dict[str, NDArray[Any]]:
        """Read the floating-point arrays, by stored name, in a file pickled by PyTorch; no code in it runs.

        Raises:
            RequestError: the engine cannot read such files.
        """
        raise RequestError(
            f"{self.name} cannot read {path.name}",
            code="no_pickle",
            option="--allow-pickle",
            fix="use --backend torch, or save it again with save_pretrained in PyTorch",
        )

    def write_h5(self, directory: Path) -> None:
        """Write the weights of `model.safetensors` also as `tf_model.h5`.

        Raises:
            RequestError: the engine cannot write it.
        """
        raise self._no_h5()

    def _no_h5(self) -> RequestError:
        return RequestError(
            f"{self.name} cannot write tf_model.h5",
            code="no_h5",
            option="--also-h5",
            fix="leave it out, or use --backend tf",
        )
