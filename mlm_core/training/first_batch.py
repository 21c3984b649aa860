"""Logits, sums and gradients of one batch, to compare two engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlm_core.metrics.sums import MaskedSums


@dataclass(frozen=True, eq=False)
class FirstBatch:
    """The result of a forward and a backward pass of one batch, without dropout.

    Attributes:
        logits: `[batch, slots, vocabulary]` float32, at the masked positions.
        sums: the batch's.
        gradients: of the loss per masked token, float32 by canonical name in canonical layout.
    """

    logits: NDArray[np.float32]
    sums: MaskedSums
    gradients: Mapping[str, NDArray[np.float32]]
