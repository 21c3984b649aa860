"""The PyTorch engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from mlm_core.config.runtime import Device, RuntimeConfig
from mlm_core.engine import Engine
from mlm_core.network import Network
from mlm_core.ranks.launch import Launched
from mlm_core.ranks.ranks import Gather
from mlm_core.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from mlm_core.model.initialization import Weights
    from mlm_core.training.setup import TrainingSetup


@final
class TorchEngine(Engine):
    """Trains with `transformers.Trainer`."""

    name = "torch"
    modules = ("torch", "accelerate")
    packages = ("torch", "accelerate")
    install = "pip install 'mlm[torch]'"
    # transformers 4 imports every framework it finds unless told not to. Before PyTorch's network code raises
    # an error, it logs dozens of lines of C++.
    environment = MappingProxyType({"USE_TORCH": "1", "USE_TF": "0", "TORCH_CPP_LOG_LEVEL": "FATAL"})
    transformers_check = "is_torch_available"
    shards = True

    def devices(self) -> list[str]:
        """See `Framework.devices`."""
        import torch

        return ["cpu", "gpu"] if torch.cuda.is_available() else ["cpu"]

    def gpus(self) -> list[str]:
        """See `Framework.gpus`."""
        import torch

        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]

    def collectives(self) -> str:
        """See `Framework.collectives`."""
        import torch
        import torch.distributed as dist

        found = ["gloo"] if dist.is_available() and dist.is_gloo_available() else []
        if dist.is_available() and dist.is_nccl_available() and torch.cuda.is_available():
            found.append(f"NCCL {'.'.join(map(str, torch.cuda.nccl.version()))}")
        return " and ".join(found) or super().collectives()

    def device_name(self, device: Device) -> str:
        """See `Framework.device_name`."""
        import torch

        on_gpu = device != "cpu" and torch.cuda.is_available()
        return torch.cuda.get_device_name() if on_gpu else super().device_name(device)

    def device_memory(self) -> float | None:
        """See `Framework.device_memory`."""
        import torch

        return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_initialized() else None

    def _has_fast_bf16(self) -> bool:
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)

    def _is_memory_error(self, error: Exception) -> bool:
        import torch

        # On a CPU PyTorch has no exception type for it.
        return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)

    def _is_lost_rank(self, error: Exception) -> bool:
        from mlm_torch.ranks import is_lost_rank

        return is_lost_rank(error)

    def _gather_bytes(self, place: Launched, config: RuntimeConfig) -> Gather:
        from mlm_torch.ranks import join

        return join(place, config)

    def _is_compile_error(self, error: Exception) -> bool:
        return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))

    def matmul(
        self, shapes: Sequence[tuple[int, int, int]], precision: str, device: Device
    ) -> Callable[[], None]:
        """See `Framework.matmul`."""
        from mlm_torch.matmul import matmul

        return matmul(shapes, precision, device)

    def train_hf_recipe(self, setup: TrainingSetup, step_done: Callable[[float], None]) -> None:
        """See `Engine.train_hf_recipe`."""
        from mlm_torch.hf_recipe import train_hf_recipe

        train_hf_recipe(setup, step_done)

    def read_pickled(self, path: Path) -> Weights:
        """See `Framework.read_pickled`."""
        from mlm_torch.weights import read_pickled

        return read_pickled(path)

    def _network_class(self) -> type[Network]:
        from mlm_torch.network import TorchNetwork

        return TorchNetwork

    def _trainer_class(self) -> type[Trainer]:
        from mlm_torch.trainer import TorchTrainer

        return TorchTrainer
