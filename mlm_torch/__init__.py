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


__all__ = ["from_pretrained"]
