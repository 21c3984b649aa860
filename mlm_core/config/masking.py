"""Options of masking: how many tokens are masked, and what replaces them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_core.config.options import option


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Which tokens are masked, and what replaces them."""

    mlm_probability: float = option(0.15, "share of the maskable tokens to mask", above=0.0, maximum=1.0)
    masking: Literal["exact", "independent"] = option(
        "exact", "exact: mask the same share of every block; independent: draw for each token separately"
    )
    mask_replace_prob: float = option(
        0.8, "share of the masked tokens replaced by the mask token", minimum=0.0, maximum=1.0
    )
    random_replace_prob: float = option(
        0.1,
        "share of the masked tokens replaced by a random ordinary token",
        minimum=0.0,
        maximum=1.0,
    )
