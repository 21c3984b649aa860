"""Checks of a model's config.json: types and ranges of what the core reads, and the memory it asks for.

Sizes are checked before transformers makes lists of them, and before a framework allocates anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from mlm_core.compat.model_errors import shortened
from mlm_core.errors import RequestError
from mlm_core.model.architectures import length_limit
from mlm_core.model.dropout_rates import dropout_rates
from mlm_core.system.memory import free_memory

_SIZE = re.compile(r"(n|num)_\w+|(\w+_)?(size|dim|embeddings|layers|heads|labels|groups|buckets)")
"""Keys of config.json that say how much of something a model has."""

_LARGEST_SIZE = 2**31 - 1
_MOST_LAYERS = 10_000
_MOST_LABELS = 1_000_000

_AT_LEAST_ONE = (
    "vocab_size", "hidden_size", "embedding_size", "intermediate_size", "num_attention_heads",
    "num_hidden_groups", "inner_group_num", "hidden_dim", "d_inner",
)  # fmt: skip

_INNER = ("intermediate_size", "hidden_dim", "d_inner")
"""Names of the inner width of a layer; without any, it is four times the width."""

_BYTES = 4
"""Of a float32 number."""

_LAYER_BYTES = 50_000
"""What the objects of a layer take besides its parameters: 52 kB were measured in PyTorch 2.13 (BERT, 1,000
layers of a few parameters each)."""

TRAINING_COPIES = 4
"""Training holds the weights, their gradients and AdamW's two moments."""


def check_settings(settings: Mapping[str, Any], model: str) -> None:
    """Check the sizes in config.json as it is written.

    Raises:
        RequestError: a size is not a number that a model can have.
    """
    for key, value in settings.items():
        if not _SIZE.fullmatch(key) or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        most = {"num_hidden_layers": _MOST_LAYERS, "n_layers": _MOST_LAYERS, "num_labels": _MOST_LABELS}
        if not value <= most.get(key, _LARGEST_SIZE):
            raise _wrong(key, value, model, f"at most {most.get(key, _LARGEST_SIZE):,}")


def check_config(config: Any, model: str) -> None:
    """Check the types and ranges of a transformers config, where the core reads it.

    Args:
        config: a transformers config.
        model: the user's name for the model.

    Raises:
        RequestError: a value is of the wrong type or out of range.
    """
    if _value(config, "vocab_size") is None:
        raise _wrong("vocab_size", None, model, "the number of rows of the embedding")
    for key in _AT_LEAST_ONE:
        _check_whole(config, key, model, least=1)
    _check_whole(config, "num_hidden_layers", model, least=0, most=_MOST_LAYERS)
    _check_whole(config, "max_position_embeddings", model)
    _check_whole(config, "pad_token_id", model, least=-1, most=config.vocab_size - 1)
    deviation = _value(config, "initializer_range")
    if deviation is not None and not (_is_number(deviation) and 0 <= deviation < math.inf):
        raise _wrong("initializer_range", deviation, model, "a number of at least 0")
    for key, value in dropout_rates(config).items():
        if not 0 <= value <= 1:
            raise _wrong(key, value, model, "from 0 to 1")
    limit = length_limit(config)
    if limit is not None and limit < 1:
        raise _wrong("max_position_embeddings", config.max_position_embeddings, model, "larger")


def parameters(config: Any) -> int:
    """About how many parameters a model has, from its config alone.

    An encoder of L layers of width H and inner width I, with embeddings of width E for V tokens, N positions
    and T token types, has about (V + N + T) E + L (4 H H + 2 H I) parameters. N counts where positions have a
    table; layers that share their parameters, as in ALBERT, count once.
    """
    hidden = _size(config, "hidden_size")
    width = _size(config, "embedding_size") or hidden
    rows = _size(config, "vocab_size") + _size(config, "type_vocab_size")
    if _has_position_table(config):
        rows += _size(config, "max_position_embeddings")
    layers = _size(config, "num_hidden_groups") * max(1, _size(config, "inner_group_num"))
    layers = layers or _size(config, "num_hidden_layers")
    inner = next((size for size in (_size(config, name) for name in _INNER) if size), 4 * hidden)
    return rows * width + layers * (4 * hidden * hidden + 2 * hidden * inner)


def check_memory(config: Any, model: str, copies: int = 1) -> None:
    """Check that the parameters of a model fit into the memory that is free.

    A model needs at least 4 bytes for each of its `parameters`, and 100 kB for each layer.

    Args:
        config: a transformers config, checked.
        model: the user's name for the model.
        copies: arrays of the size of the weights that are needed at once.

    Raises:
        RequestError: the memory does not suffice.
    """
    free, count = free_memory(), parameters(config)
    needed = copies * _BYTES * count + _LAYER_BYTES * _size(config, "num_hidden_layers")
    if free is None or needed <= free:
        return
    what = "training needs" if copies > 1 else "its weights need"
    raise RequestError(
        f"config.json asks for about {count:,} parameters; {what} about {_gigabytes(needed)}, but "
        f"{_gigabytes(free)} of memory are free",
        code="model_too_large",
        option="--model",
        value=model,
        fix="check the sizes in config.json, or use a machine with more memory",
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size < 10**15 else f"{size // 10**9:,} GB"


def _check_whole(
    config: Any, key: str, model: str, least: int | None = None, most: int | None = None
) -> None:
    """Check that a value, if there is one, is a whole number in a range."""
    value = _value(config, key)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(key, value, model, "a whole number")
    if least is not None and value < least:
        raise _wrong(key, value, model, f"at least {least:,}")
    if most is not None and value > most:
        raise _wrong(key, value, model, f"at most {most:,}")


def _wrong(key: str, value: Any, model: str, wanted: str) -> RequestError:
    return RequestError(
        f"its config.json has {key} {_shown(value)}; it must be {wanted}",
        code="bad_config",
        option="--model",
        value=model,
        fix=f"correct {key}, or copy config.json again",
    )


def _shown(value: Any) -> str:
    try:
        return shortened(repr(value))
    except ValueError:
        # Python does not write whole numbers of thousands of digits.
        return "a number of thousands of digits"


def _value(config: Any, key: str) -> Any:
    # In some architectures an attribute is computed from others, which may be of any type.
    try:
        return getattr(config, key, None)
    except Exception:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _size(config: Any, key: str) -> int:
    value = _value(config, key)
    return max(0, value) if isinstance(value, int) else 0


def _has_position_table(config: Any) -> bool:
    kind = _value(config, "position_embedding_type")
    if isinstance(kind, str) and ("rotary" in kind or kind == "absolute"):
        # ESM has settings of both.
        return kind == "absolute"
    return _value(config, "rope_theta") is None and _value(config, "rope_parameters") is None
