"""What a model says of one batch, and which way it would move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlm_core.metrics.sums import MaskedSums


@dataclass(frozen=True, eq=False)
class FirstBatch:
    """One batch through a model without dropout, forward and back.

    Attributes:
        logits: `[batch, slots, vocabulary]` float32, at the masked positions.
        sums: of the batch.
        gradients: of the loss per masked token, float32 by canonical name in canonical layout.
    """

    logits: NDArray[np.float32]
    sums: MaskedSums
    gradients: Mapping[str, NDArray[np.float32]]
