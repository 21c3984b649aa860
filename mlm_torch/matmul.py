"""Matrix products, at PyTorch's full speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import conv2d, linear, pad

from mlm_core.config.runtime import Device
from mlm_core.system.machine import processor_maker
from mlm_torch.machine import allow_tf32, set_up
from mlm_torch.model import PRECISIONS


def speed_up_matmul(model: torch.nn.Module) -> None:
    """Make a model's float32 linear layers use AVX-512 on processors where MKL does not.

    PyTorch multiplies float32 matrices with MKL. On processors not made by Intel, MKL uses only AVX2, at half
    the speed of AVX-512. Convolutions run in oneDNN, which checks only the instruction set, and a linear
    layer is a convolution whose window is a single point.
    """
    if not _halved_by_mkl():
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = PointwiseLinear
            module.one_thread = torch.get_num_threads() == 1


def align_output(model: Any) -> None:
    """Make the product onto the vocabulary use a GPU's tensor cores, whatever the vocabulary's size.

    They need rows that begin at multiples of 16 bytes. 50265 words take 5 to 8 times as long as 50304
    (`benchmarks/gpu`, part `card`).
    """
    output = model.get_output_embeddings()
    if type(output) is torch.nn.Linear and output.out_features % _ALIGNED:
        output.__class__ = AlignedLinear


def matmul(shapes: Sequence[tuple[int, int, int]], precision: str, device: Device) -> Callable[[], None]:
    """See `Framework.matmul`."""
    place = set_up(device, None)
    allow_tf32(precision == "tf32")
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


_ALIGNED = 64
"""Features of which every GPU kernel likes a multiple."""


class AlignedLinear(torch.nn.Linear):
    """A linear layer that adds rows of zeros to its weights for the product, and leaves them out again."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[..., out_features]` from `[..., in_features]`."""
        device, rows = input.device.type, -self.out_features % _ALIGNED
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled(device):
            # Padded, autocast would not know it for a weight, and it would be padded in float32.
            reduced = torch.get_autocast_dtype(device)
            weight, bias = weight.to(reduced), bias.to(reduced) if bias is not None else None
        bias = pad(bias, (0, rows)) if bias is not None else None
        return linear(input, pad(weight, (0, 0, 0, rows)), bias)[..., : self.out_features]


_FEW_ROWS = 0.25
"""Rows per output feature below which the weights serve as the image (measured at 768 features)."""


class PointwiseLinear(torch.nn.Linear):
    """A linear layer whose float32 products run in oneDNN.

    Attributes:
        one_thread: whether there is one thread. A compiled pass cannot ask for it.
    """

    one_thread: bool = False

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[..., out_features]` from `[..., in_features]`."""
        single = input.dtype == self.weight.dtype == torch.float32
        if not single or not input.numel() or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        if len(rows) > _FEW_ROWS * self.out_features:
            mapped = self._convolved(rows, self.weight, self.bias)
        else:
            # The vocabulary projection: a filter per row means far fewer filters than one per word.
            mapped = self._convolved(self.weight, rows, None).t().contiguous()
            if self.bias is not None:
                mapped.add_(self.bias)
        return mapped.reshape(*input.shape[:-1], self.out_features)

    def _convolved(
        self, points: torch.Tensor, filters: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """`[points, filters]` from `[points, features]` and `[filters, features]`.

        Features are the image's channels, which are contiguous ("channels last"): nothing is copied.
        """
        images = _images(len(points)) if self.one_thread else 1
        image = points.view(images, -1, 1, points.shape[1]).permute(0, 3, 1, 2)
        return conv2d(image, filters[:, :, None, None], bias).permute(0, 2, 3, 1).flatten(0, 2)


_IMAGES = range(16, 65)
"""Numbers of images; more of them are slower again (measured from 16 to 2,048)."""


def _images(points: int) -> int:
    """Into how many images the points are divided with one thread.

    Then PyTorch leaves convolutions of one point to oneDNN from 16 images on; its own take twice as long.
    """
    for count in _IMAGES:
        if points % count == 0:
            return count
    return 1
