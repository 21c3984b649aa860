"""The key of dropout noise."""

from __future__ import annotations

from mlm_core.randomness import Stream, raw_draws


def dropout_key(seed: int, step: int, micro_batch: int) -> int:
    """A 63-bit key for the noise of one forward pass.

    Args:
        seed: the run's seed.
        step: optimizer step, from 0.
        micro_batch: micro-batch within the step, from 0.
    """
    return int(raw_draws(seed, Stream.DROPOUT, step << 24 | micro_batch, 1)[0] >> 1)
