"""Which parameters are decayed, by canonical name; and AdamW's constants."""

from __future__ import annotations

import re

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""AdamW's moments and epsilon (Loshchilov and Hutter, 2019); the defaults of Trainer's optimizer."""

CLIP_EPSILON = 1e-6
"""Added to the global norm when gradients are scaled down, as `torch.nn.utils.clip_grad_norm_` does."""

# A letter before it makes it part of another word: RoBERTa-PreLayerNorm's name is in all its parameters.
_NORMALIZATION = re.compile(r"(?<![a-z])layer_?norm|rms_?norm|(^|[._])(norm|ln)(_|\d|\.|$)", re.IGNORECASE)


def is_normalization(name: str) -> bool:
    """Whether a canonical parameter name belongs to a normalisation layer."""
    return _NORMALIZATION.search(name) is not None


_OUT_OF_REACH = re.compile(r"\.pooler\.|\.contact_head\.|_global\.")
"""What predicting masked tokens does not depend on: LayoutLM's pooler, ESM's contacts, Longformer's
projections for global attention."""


def is_decayed(name: str) -> bool:
    """Whether weight decay applies: to all but biases, normalisation and what is never trained."""
    return not (name.endswith("bias") or is_normalization(name) or _OUT_OF_REACH.search(name))
