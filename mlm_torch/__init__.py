"""The PyTorch engine of mlm, on transformers' `Trainer`."""

from pathlib import Path
from typing import Any


def from_pretrained(directory: str | Path, revision: str | None = None) -> Any:
    """The masked-language model in a directory, or of this name on the Hub, as a PyTorch model.

    Besides the arguments of its transformers class, its forward pass takes `masked_positions`
    `[batch, slots]` and `labels` `[batch, slots]`.

    Raises:
        RequestError: the directory is no model directory, or there is no such model on the Hub.
    """
    from mlm_torch.engine import TorchEngine

    return TorchEngine().predictor(directory, revision=revision).model()


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: `import mlm_torch` alone loads no framework.
    if name == "MaskingCollator":
        from mlm_torch.feed import MaskingCollator

        return MaskingCollator
    if name == "PushToHubCallback":
        from mlm_torch.push_to_hub import PushToHubCallback

        return PushToHubCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["MaskingCollator", "PushToHubCallback", "from_pretrained"]
