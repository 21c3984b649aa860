"""The PyTorch engine."""

from __future__ import annotations

from types import MappingProxyType
from typing import final

from mlm_core.engine import Engine
from mlm_core.predictor import Predictor
from mlm_core.trainer import Trainer


@final
class TorchEngine(Engine):
    """Trains with `transformers.Trainer`."""

    name = "torch"
    modules = ("torch", "accelerate")
    packages = ("torch", "accelerate")
    install = "pip install 'mlm[torch]'"
    # transformers 4 imports every framework it finds unless told not to.
    environment = MappingProxyType({"USE_TORCH": "1", "USE_TF": "0"})
    transformers_check = "is_torch_available"

    def devices(self) -> list[str]:
        """See `Engine.devices`."""
        import torch

        return ["cpu", "gpu"] if torch.cuda.is_available() else ["cpu"]

    def _has_fast_bf16(self) -> bool:
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)

    def _is_memory_error(self, error: Exception) -> bool:
        import torch

        # On a CPU PyTorch has no exception type for it.
        return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)

    def _is_compile_error(self, error: Exception) -> bool:
        return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))

    def _trainer_class(self) -> type[Trainer]:
        from mlm_torch.trainer import TorchTrainer

        return TorchTrainer

    def _predictor_class(self) -> type[Predictor]:
        from mlm_torch.predictor import TorchPredictor

        return TorchPredictor
