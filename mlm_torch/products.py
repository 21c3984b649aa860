"""Matrix products alone, as fast as PyTorch does them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from mlm_core.config import Device
from mlm_torch.machine import set_up
from mlm_torch.model import PRECISIONS


def products(shapes: Sequence[tuple[int, int, int]], precision: str, device: Device) -> Callable[[], None]:
    """See `Engine.products`."""
    place = set_up(device, None)
    dtype = PRECISIONS[precision]
    pairs = [
        (
            torch.ones(rows, inner, device=place, dtype=dtype),
            torch.ones(columns, inner, device=place, dtype=dtype),
        )
        for rows, inner, columns in shapes
    ]

    def multiply() -> None:
        with torch.no_grad():
            for one, other in pairs:
                torch.nn.functional.linear(one, other)
            if place.type == "cuda":
                torch.cuda.synchronize()

    return multiply
