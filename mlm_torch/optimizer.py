"""AdamW with clipping, and the learning rates of the core's table."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.lr_scheduler import LRScheduler

from mlm_core.config import OptimizationConfig
from mlm_core.decay import BETA_1, BETA_2, CLIP_EPSILON, EPSILON, is_decayed


class ClippedAdamW(torch.optim.AdamW):
    """AdamW that scales gradients down to a global norm and remembers the norm before that.

    `grad_norm` is a scalar tensor after each step. A `max_grad_norm` of 0 never scales.
    """

    def __init__(self, groups: list[dict[str, Any]], *, max_grad_norm: float, **kwargs: Any) -> None:
        super().__init__(groups, betas=(BETA_1, BETA_2), eps=EPSILON, **kwargs)
        self.max_grad_norm = max_grad_norm
        self.grad_norm = torch.tensor(0.0)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Clip, then update."""
        gradients = [
            parameter.grad
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        self.grad_norm = _global_norm(gradients)
        if self.max_grad_norm > 0:
            scale = (self.max_grad_norm / (self.grad_norm + CLIP_EPSILON)).clamp(max=1.0)
            torch._foreach_mul_(gradients, scale)
        return super().step(closure)


def _global_norm(gradients: list[torch.Tensor]) -> torch.Tensor:
    # PyTorch's own norms add float32 one by one on a CPU and are off by 2e-4 at a million elements;
    # a dot product adds in blocks and is as fast.
    flat = [gradient.flatten() for gradient in gradients]
    return torch.stack([torch.dot(gradient, gradient) for gradient in flat]).sum().sqrt()


class TableSchedule(LRScheduler):
    """The learning rate of each step, looked up."""

    def __init__(self, optimizer: torch.optim.Optimizer, table: NDArray[np.float32]) -> None:
        self._table = table
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of the step that comes next; the last one stays."""
        rate = float(self._table[min(self.last_epoch, len(self._table) - 1)])
        return [rate for _ in self.optimizer.param_groups]


def build_optimizer(model: Any, config: OptimizationConfig) -> ClippedAdamW:
    """The optimizer of a model; the schedule sets its learning rate."""
    groups: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[is_decayed(name)].append(parameter)
    return ClippedAdamW(
        [
            {"params": groups[True], "weight_decay": config.weight_decay},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        max_grad_norm=config.max_grad_norm,
    )
