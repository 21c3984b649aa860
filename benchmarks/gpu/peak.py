"""What a card computes at most, as its maker says."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from peaks import PEAK_TFLOPS, gpu_name
from shapes import Shape, Size

__all__ = ["gpu_name", "mfu", "peak_flops"]


def peak_flops(card: str, precision: str) -> float | None:
    """Operations per second of dense products in a precision; None: the card or the precision has no peak.

    float32 has none here: its peak is that of the cores that do not multiply matrices.

    Args:
        card: as PyTorch or nvidia-smi names it.
        precision: "bf16" or "tf32".
    """
    known = PEAK_TFLOPS.get(card)
    if known is None or precision not in ("bf16", "tf32"):
        return None
    # NVIDIA's data sheets of H100 SXM (2023) and H200 (2024): 1,979 TFLOP/s in bfloat16 and 989 in TF32, both
    # "with sparsity", which doubles them: 989.5 and 494.5 for dense products. The A100's (2020): 312 and 156.
    # On all cards of `peaks.py` TF32 has half the rate of bfloat16.
    return known["bf16"] * 1e12 * (0.5 if precision == "tf32" else 1.0)


def mfu(card: str, precision: str, rate: float, size: Size, shape: Shape) -> dict[str, float]:
    """Model FLOPs utilisation: the share of a card's peak that a step's arithmetic makes up.

    Args:
        card: as for `peak_flops`.
        precision: of the step's matrix products.
        rate: tokens per second.
        size: its batches.
        shape: its model.

    Returns:
        `mfu_sparse` by the arithmetic of this project's sparse head, `mfu_dense` by that of the recipe's
        dense one; nothing where there is no peak.
    """
    peak = peak_flops(card, precision)
    if peak is None:
        return {}
    return {
        f"mfu_{name}": rate * shape.flops_per_token(size.block, size.masked, dense=dense) / peak
        for name, dense in (("sparse", False), ("dense", True))
    }
