"""The dropout rates in a model's config."""

from __future__ import annotations

import re
from typing import Any


def set_dropout(model_config: Any, rate: float) -> None:
    """Set every dropout rate of a model config, except the rates at which whole layers are dropped.

    Args:
        model_config: a transformers config; it is changed in place.
        rate: from 0 to 1.
    """
    for name in dropout_rates(model_config):
        setattr(model_config, name, rate)


def has_dropout(model_config: Any) -> bool:
    """Whether a model config has a dropout rate above 0."""
    return any(rate > 0 for rate in dropout_rates(model_config).values())


def dropout_rates(model_config: Any) -> dict[str, float]:
    """The dropout rates of a model config by name, except the rates at which whole layers are dropped."""
    return {
        name: value
        for name, value in model_config.to_dict().items()
        if re.search(r"drop(?!ped)", name)
        and "layer" not in name
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    }
