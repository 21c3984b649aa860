"""The PyTorch engine of mlm, on transformers' `Trainer`."""

from pathlib import Path
from typing import Any


def from_pretrained(directory: str | Path) -> Any:
    """The masked-language model in a directory, as a PyTorch model.

    Besides the arguments of its transformers class, its forward pass takes `masked_positions`
    `[batch, slots]` and `labels` `[batch, slots]`.

    Raises:
        RequestError: the directory is no model directory.
    """
    from mlm_torch.engine import TorchEngine

    return TorchEngine().predictor(directory).model()


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: `import mlm_torch` alone loads no framework.
    if name == "MaskingCollator":
        from mlm_torch.feed import MaskingCollator

        return MaskingCollator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["MaskingCollator", "from_pretrained"]
