"""Dropout noise as a function of (seed, step, micro-batch): no generator state to save."""

from __future__ import annotations

import torch

from mlm_core.dropout import noise_seed


def seed_dropout(seed: int, step: int, micro_batch: int) -> None:
    """Key the noise of the forward pass that follows.

    PyTorch draws it from its global generator in the order of the layers, so seeding the generator
    before each forward pass keys every layer.
    """
    torch.manual_seed(noise_seed(seed, step, micro_batch))
