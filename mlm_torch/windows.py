"""Sliding-window attention that computes only what is within the window.

ModernBERT's local layers let a token attend to 64 tokens on each side. With PyTorch's attention, transformers
gives these layers a mask over all pairs of tokens, and computes all pairs. Here blocks of queries attend to
the keys within their reach.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention

_MANY = 16
"""Blocks of queries from which all are computed in one call, not one by one. At 32 blocks that is 12.9 times
as fast as all pairs, and one by one 8.4 times; at 4 blocks it is 1.36 and 1.65 times (measured on a CPU)."""

_PAYS_FROM = 8
"""Length of a block, in windows of one side, from which this is faster (measured on a CPU: 1.65 times at 8,
2.8 times at 16, nothing at 4)."""


def use_windows(encoder: Any) -> None:
    """Let ModernBERT's local layers compute the window alone, in passes without a mask.

    Other models of the process are unchanged. With dropout on attention weights nothing is changed, so that
    each weight keeps its noise.
    """
    config = encoder.config
    if config.model_type != "modernbert" or config._attn_implementation != "sdpa" or config.attention_dropout:
        return
    reach = config.local_attention // 2
    if reach < 1:
        return
    local = [layer.attn for layer in encoder.layers if _is_local(layer.attn)]
    if not local or not type(encoder).__module__.startswith("transformers.models."):
        return
    hook = _Unmasked(encoder, reach)
    encoder.register_forward_pre_hook(hook.enter, with_kwargs=True)
    if hasattr(encoder, "_update_attention_mask"):
        hook.stock_masks, encoder._update_attention_mask = encoder._update_attention_mask, hook.masks
    for attention in local:
        attention.reach = reach
        attention.__class__ = _windowed(type(attention))


def windowed_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, reach: int
) -> torch.Tensor:
    """Attention to the tokens at most `reach` away on either side.

    Args:
        query: `[batch, heads, length, width]`, as `key` and `value` and the result.
        key: see `query`.
        value: see `query`.
        reach: tokens on one side.
    """
    length, places = query.shape[2], torch.arange(query.shape[2], device=query.device)
    if length >= _MANY * 2 * reach:
        return _all_at_once(query, key, value, reach)
    parts = []
    for first in range(0, length, 2 * reach):
        end = min(length, first + 2 * reach)
        keys = slice(max(0, first - reach), min(length, end + reach))
        near = (places[first:end, None] - places[keys]).abs() <= reach
        part = query[:, :, first:end], key[:, :, keys], value[:, :, keys]
        parts.append(scaled_dot_product_attention(*part, attn_mask=near))
    return torch.cat(parts, dim=2)


def _all_at_once(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, reach: int) -> torch.Tensor:
    rows, heads, length, width = query.shape
    size = 2 * reach
    count = -(-length // size)
    short = count * size - length

    def with_neighbours(tensor: torch.Tensor) -> torch.Tensor:
        padded = pad(tensor, (0, 0, reach, reach + short)).flatten(0, 1)
        return padded.unfold(1, 2 * size, size).transpose(2, 3)

    places = torch.arange(count * size, device=query.device).view(count, size, 1)
    starts = torch.arange(count, device=query.device).view(count, 1, 1) * size - reach
    keys = starts + torch.arange(2 * size, device=query.device)
    # A query that fills up sees what fills up: with nothing to see it would give nan.
    seen = ((places - keys).abs() <= reach) & (((keys >= 0) & (keys < length)) | (places >= length))
    queries = pad(query, (0, 0, 0, short)).reshape(rows * heads, count, size, width)
    attended = scaled_dot_product_attention(
        queries, with_neighbours(key), with_neighbours(value), attn_mask=seen
    )
    return attended.reshape(rows, heads, count * size, width)[:, :, :length]


def _is_local(attention: Any) -> bool:
    """Whether a layer's attention has a window; transformers 4.57 and 5 say it differently."""
    if hasattr(attention, "local_attention"):
        return bool(attention.local_attention != (-1, -1))
    return getattr(attention, "sliding_window", None) is not None


class _Unmasked:
    """Keeps transformers from making masks for passes that need none; only sets attributes."""

    stock_masks: Any = None

    def __init__(self, encoder: Any, reach: int) -> None:
        self._least = _PAYS_FROM * reach
        # transformers 5 takes the masks of both kinds of layers.
        self._takes_masks = not hasattr(encoder, "_update_attention_mask")
        self._unmasked = False

    def enter(
        self, module: torch.nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Before a pass of the encoder: see whether it needs masks."""
        ids = arguments[0] if arguments else options.get("input_ids")
        given = len(arguments) > 1 or options.get("attention_mask") is not None
        attentions = options.get("output_attentions") or module.config.output_attentions
        self._unmasked = ids is not None and not given and not attentions and ids.shape[1] >= self._least
        if not self._unmasked or not self._takes_masks:
            return None
        return arguments, options | {"attention_mask": {"full_attention": None, "sliding_attention": None}}

    def masks(self, attention_mask: torch.Tensor, output_attentions: bool) -> tuple[Any, Any]:
        """In place of transformers 4.57's method: the masks of the global and of the local layers."""
        if self._unmasked:
            return None, None
        return self.stock_masks(attention_mask, output_attentions=output_attentions)


def _windowed(stock: Any) -> type:
    rotated = sys.modules[stock.__module__].apply_rotary_pos_emb

    class Windowed(stock):
        def forward(self, hidden_states: torch.Tensor, *arguments: Any, **options: Any) -> Any:
            mask = options.get("attention_mask"), options.get("sliding_window_mask")
            rotation = options.get("position_embeddings")
            if arguments or any(part is not None for part in mask):
                return super().forward(hidden_states, *arguments, **options)
            qkv = self.Wqkv(hidden_states).unflatten(-1, (3, -1, self.head_dim))
            if rotation is None:
                rotation = self.rotary_emb(qkv, position_ids=options["position_ids"])
            query, key, value = qkv.transpose(1, 3).unbind(2)
            query, key = rotated(query, key, *rotation)
            attended = windowed_attention(query, key, value, self.reach).transpose(1, 2).flatten(2)
            output = self.out_drop(self.Wo(attended))
            # Both versions take the first of a tuple; 5 unpacks two.
            return (output,) if "position_ids" in options else (output, None)

    Windowed.__name__ = stock.__name__
    return Windowed
