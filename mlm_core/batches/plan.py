"""The batch plan: which block is in which row of which step; a pure function of the step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.randomness import Stream, permutation

PADDING_KEY = -1
"""The block key of a padding row, which fills up the last batch of an epoch and has weight zero."""

_BLOCK_BITS = 32


def block_key(epoch: int, block: NDArray[np.int64]) -> NDArray[np.int64]:
    """The keys of blocks in an epoch, int64: `epoch << 32 | block`. The masks are drawn with these keys."""
    return (np.int64(epoch) << np.int64(_BLOCK_BITS)) | block


def block_of(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """The block indices of block keys that are not padding, int64."""
    return key & np.int64(2**_BLOCK_BITS - 1)


@dataclass(frozen=True)
class BatchPlan:
    """The block keys of every step.

    Every epoch is a permutation of all blocks, keyed by (seed, epoch) and cut into batches. Padding rows fill
    up the last batch, so no block is lost and shapes are static.

    Attributes:
        blocks: number of training blocks.
        batch_size: rows of a global batch: micro-batch of all ranks x accumulation steps.
        seed: the run's seed.
        steps: optimizer steps of the whole run.
    """

    blocks: int
    batch_size: int
    seed: int
    steps: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one epoch."""
        return -(-self.blocks // self.batch_size)

    @property
    def epochs(self) -> int:
        """Epochs that the run begins; the last epoch may be incomplete."""
        return -(-self.steps // self.steps_per_epoch)

    def epoch_at(self, step: int) -> float:
        """Epochs completed after `step` steps, a fraction."""
        return step / self.steps_per_epoch

    def keys(self, step: int) -> NDArray[np.int64]:
        """The block keys of a step, `[batch_size]` int64; `step` counts from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = _epoch_order(self.seed, epoch, self.blocks)
        blocks = order[position * self.batch_size : (position + 1) * self.batch_size]
        keys = np.full(self.batch_size, PADDING_KEY, dtype=np.int64)
        keys[: len(blocks)] = block_key(epoch, blocks)
        return keys

    def all_keys(self, first_step: int = 0) -> NDArray[np.int64]:
        """The block keys of every step from `first_step` on, `[steps, batch_size]` int64."""
        keys = [self.keys(step) for step in range(first_step, self.steps)]
        return np.stack(keys) if keys else np.empty((0, self.batch_size), dtype=np.int64)


@lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, blocks: int) -> NDArray[np.int64]:
    order = permutation(seed, Stream.PERMUTATION, epoch, blocks)
    order.flags.writeable = False
    return order


def evaluation_keys(blocks: int, batch_size: int) -> NDArray[np.int64]:
    """The block keys of an evaluation, `[batches, batch_size]` int64: every block once, in order."""
    batches = -(-blocks // batch_size)
    keys = np.full(batches * batch_size, PADDING_KEY, dtype=np.int64)
    keys[:blocks] = np.arange(blocks)
    return keys.reshape(batches, batch_size)
