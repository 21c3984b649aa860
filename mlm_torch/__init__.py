"""The PyTorch engine of mlm, on transformers' `Trainer`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.lazy import lazy_names

if TYPE_CHECKING:
    from mlm_torch.feed import MaskingCollator
    from mlm_torch.push_to_hub import PushToHubCallback

__all__ = ["MaskingCollator", "PushToHubCallback", "from_pretrained"]


def from_pretrained(directory: str | Path, revision: str | None = None) -> Any:
    """Load a masked language model, from a directory or by its Hub name, as a PyTorch model.

    Besides the arguments of its transformers class, the model's forward pass accepts `masked_positions` and
    `labels`, both `[batch, slots]`.

    Raises:
        RequestError: the directory holds no model, or the Hub has no such model.
    """
    from mlm_torch.engine import TorchEngine

    return TorchEngine().predictor(directory, revision=revision).model()


__getattr__, __dir__ = lazy_names(
    __name__, {"MaskingCollator": "mlm_torch.feed", "PushToHubCallback": "mlm_torch.push_to_hub"}
)
