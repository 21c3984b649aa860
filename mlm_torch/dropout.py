"""Dropout noise as a function of (seed, step, micro-batch): no generator state to save."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import dropout, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from mlm_core.optimization.dropout import DropoutNoise


@contextmanager
def keyed_dropout(key: int, noise: DropoutNoise | None, device: torch.device) -> Iterator[None]:
    """While inside, a forward pass on a device draws its noise with this key.

    PyTorch draws noise from its global generator in the order of the layers, so seeding the generator before
    each forward pass keys every layer. On a CPU that is slow; most layers draw their noise from `noise`, if
    it is given. A compiled pass cannot.
    """
    _generator(device).manual_seed(key)
    if noise is None:
        yield
        return
    with _FastDropout(noise):
        yield


def _generator(device: torch.device) -> torch.Generator:
    """The generator of a device. `torch.manual_seed` seeds those of all devices, which takes longer."""
    if device.type != "cuda":
        return torch.default_generator
    index = torch.cuda.current_device() if device.index is None else device.index
    return torch.cuda.default_generators[index]


class _FastDropout(TorchFunctionMode):
    """Replaces PyTorch's dropout on a CPU, both alone and inside attention."""

    def __init__(self, noise: DropoutNoise) -> None:
        super().__init__()
        self._noise = noise

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Receives every call of a torch function."""
        given = kwargs or {}
        if func is dropout:
            return self._dropout(*args, **given)
        if func is scaled_dot_product_attention and given.get("dropout_p", 0.0) > 0.0:
            return self._attention(*args, **given)
        return func(*args, **given)

    def _dropout(
        self, values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        dropped = DropoutNoise.dropped_levels(p)
        if not training or not 0 < dropped < DropoutNoise.LEVELS or not values.is_floating_point():
            return dropout(values, p, training, inplace)
        return values * self._kept(values, dropped) * _scale(dropped)

    def _attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        dropped = DropoutNoise.dropped_levels(dropout_p)
        if is_causal or enable_gqa or not 0 < dropped < DropoutNoise.LEVELS:
            return scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if torch.is_autocast_enabled("cpu"):
            # As in PyTorch: the whole attention has the reduced precision.
            reduced = torch.get_autocast_dtype("cpu")
            query, key, value = query.to(reduced), key.to(reduced), value.to(reduced)
        with torch.autocast("cpu", enabled=False):
            factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
            scores = (query * factor) @ key.mT
            if attn_mask is not None:
                scores = scores + _summand(attn_mask, scores.dtype)
            weights = scores.softmax(-1)
            # The values are fewer than the weights, so they are scaled.
            return (weights * self._kept(weights, dropped)) @ (value * _scale(dropped))

    def _kept(self, values: torch.Tensor, dropped: int) -> torch.Tensor:
        """1 where a value is kept, else 0, in the shape and dtype of `values`."""
        bits = torch.from_numpy(self._noise.draw_for(values.shape)).view(values.shape)
        lowest = dropped - DropoutNoise.LEVELS // 2
        if values.dtype.itemsize != 2:
            return (bits >= lowest).to(values.dtype)
        # Converting a comparison would take longer than the rest: 0 or 1 as an integer, times the bits of
        # 1.0.
        one = int(torch.ones((), dtype=values.dtype).view(torch.int16))
        return bits.clamp_(lowest - 1, lowest).sub_(lowest - 1).mul_(one).view(values.dtype)


def _scale(dropped: int) -> float:
    """The factor that keeps the mean, for the dropout rate rounded to 16 bits."""
    return DropoutNoise.LEVELS / (DropoutNoise.LEVELS - dropped)


def _summand(attn_mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask in the form that attention adds to its scores."""
    if attn_mask.dtype != torch.bool:
        # A float32 mask's least number is -inf in 16 bits, and a row of only -inf gives nan.
        return attn_mask.clamp(min=torch.finfo(dtype).min).to(dtype)
    return torch.zeros_like(attn_mask, dtype=dtype).masked_fill(~attn_mask, torch.finfo(dtype).min)
