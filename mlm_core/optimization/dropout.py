"""The key of dropout noise: (seed, rank), then (step, micro-batch), then the layer.

A framework that draws noise in the order of the layers seeds it with `noise_seed` before each forward
pass; one that draws it from keys inside a graph joins `noise_key`, the position and the layer itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.randomness import Stream, raw_draws

MICRO_BATCHES = 2**20
"""More micro-batches than a step can have: positions of different steps never meet."""


def noise_key(seed: int, rank: int = 0) -> int:
    """A 31-bit key for all noise of one process."""
    return int(raw_draws(seed, Stream.DROPOUT, rank, 1)[0] >> 33)


def noise_position(step: Any, micro_batch: Any) -> Any:
    """The number of a forward pass: of a step and a micro-batch, counted from 0; integers or tensors."""
    return step * MICRO_BATCHES + micro_batch


def noise_seed(seed: int, step: int, micro_batch: int, rank: int = 0) -> int:
    """A 63-bit seed for the noise of one forward pass."""
    position = noise_position(step, micro_batch)
    return int(raw_draws(noise_key(seed, rank), Stream.DROPOUT, position, 1)[0] >> 1)


class DropoutNoise:
    """The noise of one forward pass on a processor: 16 random bits a number, in the order of the layers.

    From SFC64 (Doty-Humphrey, PractRand), the fastest of numpy's generators; a framework's own noise of one
    draw per number costs ten percent of a training step.
    """

    LEVELS = 2**16

    def __init__(self, seed: int) -> None:
        self._bits = np.random.SFC64(seed)

    def draw(self, count: int) -> NDArray[np.int16]:
        """The next numbers, `[count]` int16, each level as likely as any other."""
        return self._bits.random_raw(-(-count // 4)).view(np.int16)[:count]

    @classmethod
    def dropped_levels(cls, rate: float) -> int:
        """How many of the levels, the lowest ones, mean that a value is dropped."""
        return round(rate * cls.LEVELS)
