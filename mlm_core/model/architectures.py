"""Differences between architectures that no config states."""

from __future__ import annotations

from typing import Any

_POSITIONS_AFTER_PADDING = {
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "longformer",
    "luke",
    "mluke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}


def positions_follow_padding(model_config: Any) -> bool:
    """Whether positions count from pad_token_id + 1, so that the position table has a padding row of zeros.

    Args:
        model_config: a transformers config.
    """
    return model_config.model_type in _POSITIONS_AFTER_PADDING


def layers_with(name: str, model_config: Any) -> int:
    """How many layers use a parameter: the layers of a group in ALBERT share their parameters.

    Args:
        name: the parameter's canonical name.
        model_config: a transformers config.
    """
    if "albert_layer_groups" not in name:
        return 1
    return int(model_config.num_hidden_layers // model_config.num_hidden_groups)


def length_limit(model_config: Any) -> int | None:
    """The longest input of a model, in tokens; None: positions are unlimited."""
    positions = getattr(model_config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    if positions_follow_padding(model_config) and model_config.pad_token_id is not None:
        return int(positions - model_config.pad_token_id - 1)
    return positions
