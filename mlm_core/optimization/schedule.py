"""The learning rate of every step, a table that both engines index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def learning_rates(
    peak: float, steps: int, *, scheduler: str = "linear", warmup_steps: int = 0
) -> NDArray[np.float32]:
    """The learning rate of each optimizer step, `[steps]` float32.

    The rate rises linearly from 0 over the warm-up. Then it falls to 0 at `steps` along a line or half a
    cosine, or stays constant. The values equal those of the schedulers with these names in transformers.

    Args:
        peak: the largest rate.
        steps: optimizer steps of the whole run.
        scheduler: "linear", "cosine" or "constant".
        warmup_steps: steps of the warm-up.
    """
    step = np.arange(steps, dtype=np.float64)
    done = np.clip((step - warmup_steps) / max(1, steps - warmup_steps), 0.0, 1.0)
    falls = {
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + np.cos(np.pi * done)),
        "constant": np.ones(steps),
    }
    rising = np.minimum(step / max(1, warmup_steps), 1.0)
    share = np.where(step < warmup_steps, rising, falls[scheduler])
    return (peak * share).astype(np.float32)
