"""The key of dropout noise: the seed, then the row's block or (step, micro-batch), then the layer.

Noise by rows does not depend on how rows are shared out to ranks and micro-batches. A framework that draws
all noise in the order of the layers seeds it with `noise_seed` before each forward pass. A framework that
draws noise from keys inside a graph combines `noise_key`, the position and the layer itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.randomness import Stream, raw_draws, raw_rows

MICRO_BATCHES = 2**20
"""More micro-batches than a step can have, so the positions of different steps never coincide."""


def noise_key(seed: int, rank: int = 0) -> int:
    """A 31-bit key for all dropout noise of one process; the rank is the process's number."""
    return int(raw_draws(seed, Stream.DROPOUT, rank, 1)[0] >> 33)


def noise_position(step: Any, micro_batch: Any) -> Any:
    """The number of a forward pass; step and micro-batch count from 0, and are integers or tensors."""
    return step * MICRO_BATCHES + micro_batch


def noise_seed(seed: int, step: int, micro_batch: int, rank: int = 0) -> int:
    """A 63-bit seed for the dropout noise of one forward pass; step and micro-batch count from 0."""
    position = noise_position(step, micro_batch)
    return int(raw_draws(noise_key(seed, rank), Stream.DROPOUT, position, 1)[0] >> 1)


class DropoutNoise:
    """The noise of one forward pass on a CPU: 16 random bits for each value, in the order of the layers.

    The generator is SFC64 (Doty-Humphrey, PractRand), the fastest of numpy's. A framework's own noise, with
    one draw for each value, costs ten percent of a training step.

    Args:
        seed: see `noise_seed`.
    """

    LEVELS = 2**16
    """Possible values of a draw."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.SFC64(seed)

    def draw_for(self, shape: Sequence[int]) -> NDArray[np.int16]:
        """The next draws for values of a shape, flat int16."""
        return self.draw(math.prod(shape))

    def draw(self, count: int) -> NDArray[np.int16]:
        """The next draws, `[count]` int16; every level is equally likely."""
        return self._bits.random_raw(-(-count // 4)).view(np.int16)[:count]

    @classmethod
    def dropped_levels(cls, rate: float) -> int:
        """How many of the lowest levels mean that a value is dropped, for a rate between 0 and 1."""
        return round(rate * cls.LEVELS)


def belongs_to_rows(shape: Sequence[Any], rows: Any, heads: int) -> Any:
    """Whether the first axis of values is of the batch's rows, or of rows times attention heads.

    Others belong to no row, such as a table of relative positions. Sizes are integers or tensors.
    """
    return False if len(shape) < 2 else (shape[0] == rows) | (shape[0] == rows * heads)


class RowNoise(DropoutNoise):
    """The noise of one forward pass on a CPU, of each row's own: the row's block decides it, in an epoch.

    So it is the same in whatever rank and micro-batch a row is. Values that belong to no row, such as a table
    of relative positions, have noise of the micro-batch's own, equal in all ranks.

    Args:
        seed: the run's seed.
        step: the optimizer step, from 0.
        micro_batch: its micro-batch, from 0.
        keys: `[rows]` int64, the rows' block keys.
        heads: of the model's attention; a first axis of rows times heads is of rows, too.
    """

    def __init__(self, seed: int, step: int, micro_batch: int, keys: NDArray[np.int64], heads: int) -> None:
        super().__init__(noise_seed(seed, step, micro_batch))
        seeds = raw_rows(noise_key(seed), Stream.DROPOUT, keys, 1)[:, 0]
        self._rows = [np.random.SFC64(int(row)) for row in seeds]
        self._heads = heads

    def draw_for(self, shape: Sequence[int]) -> NDArray[np.int16]:
        """The next draws for values of a shape, flat int16; the first axis is of the rows."""
        if not belongs_to_rows(shape, len(self._rows), self._heads):
            return self.draw(math.prod(shape))
        each = math.prod(shape) // len(self._rows)
        drawn = np.empty((len(self._rows), -(-each // 4)), dtype=np.uint64)
        for row, bits in zip(drawn, self._rows, strict=True):
            row[:] = bits.random_raw(len(row))
        # A copy only where a row's values do not fill its draws.
        return np.ascontiguousarray(drawn.view(np.int16)[:, :each]).reshape(-1)
