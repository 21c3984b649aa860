"""The PyTorch engine of mlm, on transformers' `Trainer`."""

from importlib import import_module
from pathlib import Path
from typing import Any


def from_pretrained(directory: str | Path, revision: str | None = None) -> Any:
    """Load a masked language model, from a directory or by its Hub name, as a PyTorch model.

    Besides the arguments of its transformers class, the model's forward pass accepts `masked_positions` and
    `labels`, both `[batch, slots]`.

    Raises:
        RequestError: the directory holds no model, or the Hub has no such model.
    """
    from mlm_torch.engine import TorchEngine

    return TorchEngine().predictor(directory, revision=revision).model()


def __getattr__(name: str) -> Any:
    # Imported on first use: `import mlm_torch` alone loads no framework.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_MODULES = {"MaskingCollator": "mlm_torch.feed", "PushToHubCallback": "mlm_torch.push_to_hub"}

__all__ = ["MaskingCollator", "PushToHubCallback", "from_pretrained"]
