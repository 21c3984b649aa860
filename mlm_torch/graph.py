"""Work of a GPU that is recorded once, as a CUDA graph, and replayed: one launch instead of a thousand.

A small step is over sooner than the host has launched its kernels. What is recorded works on fixed memory:
inputs are copied there, and gradients and outputs are there after each replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from mlm_core.compat.transformers import computes_twice
from mlm_core.config.config import Config
from mlm_core.errors import first_line

TOLERANCE = 1e-2
"""The largest difference of a replayed pass to the same pass launched plainly: of the loss, and of the
gradient by the norm of the difference over the norm. Products in 16 bits differ by less; other noise or other
inputs change the gradient by more."""

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
        and not computes_twice(model)
        and not at_random
        # The host reads the batches.
        and model.verifier is None
    )


class RecordedPass:
    """A forward and backward pass that is replayed; it adds to the parameters' gradients.

    Args:
        run: does the pass on inputs; returns its loss and other outputs, tensors.
        inputs: like those of all passes, with their shapes and dtypes.
        gradients: of all parameters that the pass reaches; they stay where they are.
        seed: gives the dropout noise of a pass; called before each trial.

    Raises:
        NotRecordedError: PyTorch cannot record the pass, memory runs out, or the replay differs from the
            pass.
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
            # Before the recording, which keeps the memory of a whole pass.
            wanted = _trial(lambda: run(self._inputs), gradients, seed)
            self._outputs, self._replay = record(lambda: run(self._inputs), before=_BEFORE)
            for _ in range(2):
                for tensor in self._inputs.values():
                    tensor.zero_()
                _check_same(wanted, _trial(lambda: self(inputs), gradients, seed))
        except RuntimeError as error:
            raise NotRecordedError(first_line(error)) from None

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
        RuntimeError: it does what cannot be recorded, such as waiting for the GPU. PyTorch can go on.
    """
    stream, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(stream)
    with torch.cuda.stream(side):
        for _ in range(before):
            run()
    stream.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            outputs = run()
    except BaseException:
        _after_failure(graph, stream)
        raise
    return outputs, graph.replay


_failed: list[Any] = []
"""Graphs whose recording failed: PyTorch's allocator keeps a pointer to them."""


def _after_failure(graph: Any, stream: torch.cuda.Stream) -> None:
    """Undo what PyTorch leaves behind when a recording fails: its stream, and a generator that records."""
    _failed.append(graph)
    torch.cuda.set_stream(stream)
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    # A copy of the state does not know of the recording.
    generator.graphsafe_set_state(generator.clone_state())


def check_same_update(
    before: list[torch.Tensor], wanted: list[torch.Tensor], found: list[torch.Tensor]
) -> None:
    """Compare what a replayed update has made of tensors with what the plain update made of them.

    Args:
        before: parameters before the update.
        wanted: the same after the plain update.
        found: the same after the replay.

    Raises:
        NotRecordedError: the replay did something else, or values are not finite.
    """
    change, apart = _distance(wanted, before), _distance(found, wanted)
    # Not "greater than", so that nan is a difference, too.
    if not apart <= TOLERANCE * change:
        raise NotRecordedError(f"replayed, the update is {apart:.2g} off, of {change:.2g}")


Trial = tuple[torch.Tensor, list[torch.Tensor]]
"""The loss of a pass, and its gradients."""


def _trial(
    way: Callable[[], tuple[torch.Tensor, ...]], gradients: list[torch.Tensor], seed: Callable[[], None]
) -> Trial:
    torch._foreach_zero_(gradients)
    seed()
    loss, *_ = way()
    return loss.float().clone(), [gradient.clone() for gradient in gradients]


def _check_same(wanted: Trial, found: Trial) -> None:
    apart = [_norm(torch._foreach_sub(found[1], wanted[1])) / _norm(wanted[1])]
    apart.append(float((found[0] - wanted[0]).abs() / wanted[0].abs()))
    # Not "greater than", so that nan is a difference, too.
    if not max(apart) <= TOLERANCE:
        raise NotRecordedError(f"replayed, the gradient is {apart[0]:.2g} off, the loss {apart[1]:.2g}")


def _distance(some: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> float:
    """The norm of all differences, one by one: at once they would need the memory of another model."""
    norms = [torch.linalg.vector_norm(a - b, dtype=torch.float32) for a, b in zip(some, others, strict=True)]
    return float(torch.stack(norms).square().sum().sqrt())


def _norm(tensors: Sequence[torch.Tensor]) -> float:
    norms = torch.stack(torch._foreach_norm(list(tensors), dtype=torch.float32))
    return float(norms.square().sum().sqrt())
