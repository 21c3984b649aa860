"""The TensorFlow engine of mlm, on Keras `compile` and `fit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.lazy import lazy_names

if TYPE_CHECKING:
    from mlm_core.batches.collator import MaskingCollator
    from mlm_tf.push_to_hub import PushToHubCallback

__all__ = ["MaskingCollator", "PushToHubCallback", "from_pretrained"]


def from_pretrained(directory: str | Path, revision: str | None = None) -> Any:
    """Load a masked language model, from a directory or by its Hub name, as a TensorFlow model.

    This reads `model.safetensors` in PyTorch's layout without PyTorch. Besides the arguments of its
    transformers class, the model's `call` accepts `masked_positions` and `labels`, both `[batch, slots]`.

    Raises:
        RequestError: the directory holds no model, or the Hub has no such model.
    """
    from mlm_tf.engine import TensorFlowEngine

    return TensorFlowEngine().predictor(directory, revision=revision).model()


__getattr__, __dir__ = lazy_names(
    __name__, {"MaskingCollator": "mlm_core.batches.collator", "PushToHubCallback": "mlm_tf.push_to_hub"}
)
