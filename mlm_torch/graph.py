"""Work of a GPU that is recorded once, as a CUDA graph, and replayed: one launch instead of a thousand.

A small step is over sooner than the host has launched its kernels. What is recorded works on fixed memory:
inputs are copied there, and gradients and outputs are there after each replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from mlm_core.config.config import Config
from mlm_core.errors import first_line

TOLERANCE = 1e-2
"""The largest relative difference of a replayed pass's loss and gradient norm to the same pass launched
plainly. bf16 differs by less, and other noise or stale inputs by more."""

_BEFORE = 3
"""Runs on a side stream before a recording, as PyTorch's notes on CUDA graphs ask."""

Tensors = Mapping[str, torch.Tensor]


class NotRecordedError(Exception):
    """A pass cannot be recorded, or its replay is not the same; the message says why."""


def may_record(model: Any, config: Config, ranks: int, device: torch.device) -> bool:
    """Whether every step of a run does the same work, without the host in between."""
    at_random = getattr(model.config, "layerdrop", None)
    return (
        config.compile
        and device.type == "cuda"
        and ranks == 1
        # The host changes the scale.
        and config.precision != "fp16"
        and not model.is_gradient_checkpointing
        and not at_random
        # The host reads the batches.
        and model.verifier is None
    )


class RecordedPass:
    """A forward and backward pass that is replayed; it adds to the parameters' gradients.

    Args:
        run: does the pass on inputs; returns its outputs, tensors.
        inputs: like those of all passes, with their shapes and dtypes.
        gradients: of all parameters that the pass reaches; they stay where they are.
        seed: gives the dropout noise of a pass; called before each trial.

    Raises:
        NotRecordedError: PyTorch cannot record the pass, or the replay differs from the pass.
    """

    def __init__(
        self,
        run: Callable[[Tensors], tuple[torch.Tensor, ...]],
        inputs: Tensors,
        gradients: list[torch.Tensor],
        seed: Callable[[], None],
    ) -> None:
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        try:
            self._outputs, self._replay = record(lambda: run(self._inputs), before=_BEFORE)
        except RuntimeError as error:
            raise NotRecordedError(first_line(error)) from None
        plain = _trial(lambda: run(self._inputs), gradients, seed)
        for _ in range(2):
            replayed = _trial(lambda: self(inputs), gradients, seed)
            if not torch.allclose(replayed, plain, rtol=TOLERANCE, atol=0.0):
                raise NotRecordedError(
                    f"replayed, loss and norm are {replayed.tolist()}, not {plain.tolist()}"
                )

    def __call__(self, inputs: Tensors) -> tuple[torch.Tensor, ...]:
        """The outputs for these inputs, valid until the next call."""
        for name, tensor in inputs.items():
            self._inputs[name].copy_(tensor, non_blocking=True)
        self._replay()
        return self._outputs


def record(run: Callable[[], Any], *, before: int = 0) -> tuple[Any, Callable[[], None]]:
    """Record what a function launches; it is not done yet.

    Args:
        run: the function; what it returns is in fixed memory, and valid after each replay.
        before: so many times it is run before.

    Returns:
        What the function returned, and the replay.

    Raises:
        RuntimeError: it does what cannot be recorded, such as waiting for the GPU.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(before):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()
    return outputs, graph.replay


def _trial(
    way: Callable[[], tuple[torch.Tensor, ...]], gradients: list[torch.Tensor], seed: Callable[[], None]
) -> torch.Tensor:
    """Loss and gradient norm of one way to do a pass."""
    torch._foreach_zero_(gradients)
    seed()
    loss, *_ = way()
    norms = torch.stack(torch._foreach_norm(gradients, dtype=torch.float32))
    return torch.stack([loss.float(), norms.square().sum().sqrt()]).cpu()
