"""AdamW with clipping, and the learning rates of the core's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.lr_scheduler import LRScheduler

from mlm_core.config.optimization import OptimizationConfig
from mlm_core.errors import first_line
from mlm_core.optimization.adamw import BETA_1, BETA_2, CLIP_EPSILON, EPSILON
from mlm_core.optimization.decay import is_decayed
from mlm_core.optimization.loss_scale import LossScale
from mlm_torch.graph import NotRecordedError, check_same_update, record
from mlm_torch.replicas import is_shared_out, local
from mlm_torch.weights import named_parameters


class ClippedAdamW(torch.optim.AdamW):
    """AdamW that clips gradients to a global norm.

    Attributes:
        grad_norm: scalar float32 tensor, the norm of the last step before clipping.
        max_grad_norm: 0: gradients are not clipped.
        gradients_stay: whether gradients have fixed memory, so that the update is recorded as a CUDA graph.
        warn: is told why no update is recorded.
        loss_scale: gradients are divided by it first; a step where they are not finite only counts. None: no
            scale.
    """

    loss_scale: LossScale | None = None

    def __init__(self, groups: list[dict[str, Any]], *, max_grad_norm: float, **kwargs: Any) -> None:
        super().__init__(groups, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True, **kwargs)
        self.max_grad_norm = max_grad_norm
        self.grad_norm = torch.tensor(0.0)
        self.gradients_stay = False
        self.warn: Callable[[str], None] = lambda _: None
        # The first step runs before the recording, which PyTorch would warn of.
        self._warned_capturable_if_run_uncaptured = True
        self._begun = False
        self._replay: Callable[[], None] | None = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Clip, then update."""
        if self.gradients_stay and self._replay is None and self._begun and self._record():
            return None
        # The first step makes the state.
        self._begun = True
        return self._replay() if self._replay is not None else self._update()

    def _record(self) -> bool:
        """Record the update and take a step with the replay; False: no step is taken."""
        changed = [part.detach() for part in self._changed()]
        count = len(self._trained())
        before: list[torch.Tensor] = []
        try:
            before = [part.clone() for part in changed]
            self._update()
            # The parameters alone: what moments are wrong for shows in them, and memory may be short.
            wanted = [part.clone() for part in changed[:count]]
            torch._foreach_copy_(changed, before)
            _, replay = record(self._update)
            replay()
            check_same_update(before[:count], wanted, changed[:count])
        except (RuntimeError, NotRecordedError) as error:
            self.gradients_stay = False
            self.warn(f"--compile: no CUDA graph of an update is used: {first_line(error)}")
            if before:
                torch._foreach_copy_(changed, before)
            return False
        self._replay = replay
        return True

    def _changed(self) -> list[torch.Tensor]:
        """The tensors that an update changes, the parameters first."""
        parameters = self._trained()
        states = [
            value for part in parameters for value in self.state[part].values() if torch.is_tensor(value)
        ]
        # The update divides gradients where they are.
        return [*parameters, *states, *(part.grad for part in parameters if part.grad is not None)]

    def _trained(self) -> list[torch.nn.Parameter]:
        return [part for group in self.param_groups for part in group["params"] if part in self.state]

    def forget_recording(self) -> None:
        """Free what a recorded update keeps; updates are launched anew."""
        self.gradients_stay, self._replay = False, None

    def _update(self) -> Any:
        parameters = [
            parameter
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        gradients = [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
        if self.loss_scale is not None:
            torch._foreach_div_(gradients, self.loss_scale.value)
        self.grad_norm = _global_norm(gradients, shared_out=any(map(is_shared_out, parameters)))
        if self.loss_scale is not None and not self.grad_norm.isfinite():
            return self._count(parameters)
        if self.max_grad_norm > 0:
            # The update divides by it. To multiply all gradients first, as torch.nn.utils.clip_grad_norm_
            # does, is one pass more over memory.
            self.grad_scale = torch.clamp((self.grad_norm + CLIP_EPSILON) / self.max_grad_norm, min=1.0)
        return super().step()

    def _count(self, parameters: list[torch.nn.Parameter]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state |= {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
            state["step"] += 1


_CHUNK = 1024


def _global_norm(gradients: list[torch.Tensor], *, shared_out: bool = False) -> torch.Tensor:
    """The global norm of all gradients, a float32 scalar. Where each rank has a share, over all ranks."""
    on_gpu = all(gradient.is_cuda for gradient in gradients)
    total = (_squares_on_gpu(gradients) if on_gpu else _squares(gradients)).sum()
    if shared_out:
        torch.distributed.all_reduce(total)
    return total.sqrt().float()


def _squares(gradients: list[torch.Tensor]) -> torch.Tensor:
    """The parts of the sum of squares, `[parts]` float64, accurate to 1e-7.

    On a CPU, PyTorch's own norms add float32 numbers one by one: at a million elements the error is 2e-4.
    Here a matrix product multiplies each chunk with itself, as fast as memory is read, and the sums of the
    chunks are added in float64.
    """
    sums = []
    for gradient in gradients:
        flat = gradient.flatten().float()
        whole = flat.numel() // _CHUNK * _CHUNK
        chunks, rest = flat[:whole].view(-1, 1, _CHUNK), flat[whole:]
        sums += [torch.bmm(chunks, chunks.mT).double().sum(), torch.dot(rest, rest).double()]
    return torch.stack(sums)


def _squares_on_gpu(gradients: list[torch.Tensor]) -> torch.Tensor:
    """The sum of squares of each gradient, `[gradients]` float64, accurate to float32.

    PyTorch's norms on a GPU add in a tree, in a few launches for all gradients. Products of matrices would
    take hundreds of launches, and TF32 would make them coarse.
    """
    return torch.stack(torch._foreach_norm(gradients, dtype=torch.float32)).double().square()


class TableSchedule(LRScheduler):
    """Looks up the learning rate of each step; after the table its last rate stays."""

    def __init__(self, optimizer: torch.optim.Optimizer, table: NDArray[np.float32]) -> None:
        self._table = table
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of the next step, for each parameter group."""
        rate = float(self._table[min(self.last_epoch, len(self._table) - 1)])
        return [rate for _ in self.optimizer.param_groups]


def build_optimizer(model: Any, config: OptimizationConfig, *, recorded: bool = False) -> ClippedAdamW:
    """Make the optimizer of a model; the schedule sets its learning rate.

    Args:
        model: the model.
        config: the options of the optimizer.
        recorded: whether updates may be recorded as a CUDA graph.
    """
    groups: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
    for name, parameter in named_parameters(model).items():
        groups[is_decayed(name)].append(parameter)
    decays = {True: config.weight_decay, False: 0.0}
    options = [{"params": groups[decayed], "weight_decay": decay} for decayed, decay in decays.items()]
    for group in options if recorded else ():
        # What is recorded reads the rate from memory.
        group["lr"] = torch.zeros((), device=model.device)
    return ClippedAdamW(
        options,
        max_grad_norm=config.max_grad_norm,
        capturable=recorded,
    )
