"""Which parameters weight decay applies to, by canonical name."""

from __future__ import annotations

import re

# After a letter, "layernorm" is part of another word: every parameter of RoBERTa-PreLayerNorm has it in its
# name.
_NORMALIZATION = re.compile(r"(?<![a-z])layer_?norm|rms_?norm|(^|[._])(norm|ln)(_|\d|\.|$)", re.IGNORECASE)


def is_normalization(name: str) -> bool:
    """Whether a canonical parameter name belongs to a normalisation layer."""
    return _NORMALIZATION.search(name) is not None


_OUT_OF_REACH = re.compile(r"\.pooler\.|\.contact_head\.|_global\.")
"""Parameters that predictions of masked tokens do not depend on: LayoutLM's pooler, ESM's contact head, and
Longformer's projections for global attention."""


def is_decayed(name: str) -> bool:
    """Whether weight decay applies to a parameter.

    It does not apply to biases, normalisation layers and parameters that are never trained.

    Args:
        name: the parameter's canonical name.
    """
    return not (name.endswith("bias") or is_normalization(name) or _OUT_OF_REACH.search(name))
