"""Matrix products, as fast as PyTorch does them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import conv2d

from mlm_core.config.config import Device
from mlm_core.system.machine import processor_maker
from mlm_torch.machine import set_up
from mlm_torch.model import PRECISIONS


def speed_up_matmul(model: torch.nn.Module) -> None:
    """Have a model's float32 linear layers use all of the processor, where they would not.

    PyTorch multiplies float32 matrices with MKL, which keeps to AVX2 on processors that are not Intel's: half
    of what AVX-512 does. Convolutions it leaves to oneDNN, which looks at the instructions alone, and a
    linear layer is a convolution whose window is a single point.
    """
    if not _halved_by_mkl():
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = PointwiseLinear


def matmul(shapes: Sequence[tuple[int, int, int]], precision: str, device: Device) -> Callable[[], None]:
    """See `Framework.matmul`."""
    place = set_up(device, None)
    dtype = PRECISIONS[precision]
    layers = [torch.nn.Linear(inner, columns, False, place, dtype) for _, inner, columns in shapes]
    model = torch.nn.ModuleList(layers)
    if place.type == "cpu":
        speed_up_matmul(model)
    inputs = [torch.ones(rows, inner, device=place, dtype=dtype) for rows, inner, _ in shapes]

    def multiply() -> None:
        with torch.no_grad():
            for layer, one in zip(model, inputs, strict=True):
                layer(one)
            if place.type == "cuda":
                torch.cuda.synchronize()

    return multiply


def _halved_by_mkl() -> bool:
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and processor_maker() == "AuthenticAMD"
    )


_FEW_ROWS = 0.25
"""Rows for each output feature, below which the weights are the better picture (measured at 768 features)."""


class PointwiseLinear(torch.nn.Linear):
    """A linear layer whose float32 products are done by oneDNN."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[..., out_features]` from `[..., in_features]`."""
        single = input.dtype == self.weight.dtype == torch.float32
        if not single or not input.numel() or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        if len(rows) > _FEW_ROWS * self.out_features:
            mapped = _convolved(rows, self.weight, self.bias)
        else:
            # A vocabulary's head: a filter for each row is far fewer than one for each word.
            mapped = _convolved(self.weight, rows, None).t().contiguous()
            if self.bias is not None:
                mapped.add_(self.bias)
        return mapped.reshape(*input.shape[:-1], self.out_features)


def _convolved(points: torch.Tensor, filters: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`[points, filters]` from `[points, features]` and `[filters, features]`.

    Features are the picture's channels, which lie next to each other ("channels last"): nothing is copied.
    """
    picture = points[None, :, None].permute(0, 3, 1, 2)
    return conv2d(picture, filters[:, :, None, None], bias).permute(0, 2, 3, 1).flatten(0, 2)
