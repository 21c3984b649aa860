"""What a framework is and can: versions, devices, memory, its errors."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from packaging.specifiers import SpecifierSet

from mlm_core.errors import MlmError, RequestError, RunError, first_line
from mlm_core.system.machine import has_fast_bf16, processor_name
from mlm_core.system.versions import installed_versions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mlm_core.config.config import Device


class Framework(ABC):
    """A framework on this machine. Nothing here trains or predicts.

    Attributes:
        name: the value of `--backend`.
        modules: modules that must be importable.
        packages: distributions whose versions are recorded in `run.json`.
        needs: version ranges of other packages that it requires, as `{"transformers": "<5"}`.
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

    def auto_precision(self, device: Device) -> Literal["bf16", "float32"]:
        """What `--precision auto` means here: "bf16" where the processor or the GPU multiplies it fast."""
        on_gpu = device != "cpu" and "gpu" in self.devices()
        fast = self._has_fast_bf16() if on_gpu else has_fast_bf16()
        return "bf16" if fast else "float32"

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

    def matmul(
        self, shapes: Sequence[tuple[int, int, int]], precision: str, device: Device
    ) -> Callable[[], None] | None:
        """A function that multiplies matrices of these shapes `(rows, inner, columns)`, one after the other.

        It returns when the last product is done. None: the framework has no such function.
        """
        return None

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
