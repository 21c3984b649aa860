"""Options of optimization: batches, steps, learning rate, seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_core.config.options import option

MAX_SEED = 2**32 - 1
"""The largest seed that numpy, PyTorch and TensorFlow all take."""


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How batches become updates."""

    epochs: int | None = option(
        None,
        "passes over the training blocks",
        fallback=3,
        minimum=1,
        maximum=10**6,
        default_text="the model's, else 3",
    )
    max_steps: int | None = option(
        None, "total optimizer steps; overrides --epochs", minimum=1, maximum=10**7
    )
    batch_size: int | None = option(
        None,
        "blocks in one forward pass",
        fallback=16,
        minimum=1,
        maximum=2**16,
        default_text="32 without --model, else the model's, else 16",
    )
    gradient_accumulation_steps: int = option(
        1, "micro-batches in an optimizer step", minimum=1, maximum=2**16
    )
    learning_rate: float | None = option(
        None,
        "peak learning rate",
        fallback=2e-5,
        minimum=0.0,
        maximum=1e30,
        default_text="5e-4 without --model, else the model's, else 2e-5; with --from-scratch 1e-3, or less "
        "for a wide model",
    )
    lr_scheduler: Literal["linear", "cosine", "constant"] = option(
        "linear", "how the learning rate changes after the warm-up"
    )
    warmup_steps: int | None = option(
        None,
        "steps over which the learning rate rises from 0 to its peak",
        fallback=0,
        minimum=0,
        default_text="10 without --model, else the model's, else 0; with --from-scratch 300; at most a fifth "
        "of the run",
    )
    weight_decay: float = option(
        0.01, "decoupled weight decay of matrices and embeddings", minimum=0.0, maximum=1e6
    )
    max_grad_norm: float = option(
        1.0, "clip gradients to this global norm; 0: do not clip", minimum=0.0, maximum=1e30
    )
    load_best_model_at_end: bool = option(
        False, "end with the weights of the best evaluation instead of the last step"
    )
    seed: int = option(42, "seed of every random choice", minimum=0, maximum=MAX_SEED)
