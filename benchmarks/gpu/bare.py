"""A plain training step on this project's model and one batch: what the step could be.

The model, its sparse head and the batch are those of a trainer. What a run adds is missing: other batches,
the learning rate's schedule, keyed dropout, records. The forward pass is written without context managers
and optional inputs, so that torch.compile has all of it in one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from mlm_core.batches.masking import IGNORED
from mlm_torch.slots import SlotForward

RATE = 1e-5
BEFORE_CAPTURE = 4
"""Steps on a side stream before a graph is recorded, as PyTorch's notes on CUDA graphs ask: at least 3."""


class BareStep:
    """A step to be called again and again.

    Args:
        trainer: of the PyTorch engine, its model built.
        options: some of `variants.OPTIONS`.

    Attributes:
        facts: `loss`, and of a graph `noise`: whether its dropout follows the generator's seed.
    """

    def __init__(self, trainer: Any, options: Sequence[str]) -> None:
        network, setup = trainer.network, trainer.setup
        self.facts: dict[str, Any] = {}
        self._cuda = network.device.type == "cuda"
        self._model = network.model.train()
        batch = network.tensors(setup.train(setup.plan.keys(0)))
        self._inputs, self._positions, self._labels = (
            batch[name] for name in ("input_ids", "masked_positions", "labels")
        )
        self._count = (self._labels != IGNORED).sum()
        self._forward: Callable[[], tuple[torch.Tensor, torch.Tensor]] = self._losses
        if "compile" in options:
            # On a CPU the word table may have a backward pass of its own, which cannot be compiled.
            self._model.get_input_embeddings().__class__ = torch.nn.Embedding
            self._forward = torch.compile(self._losses, fullgraph=True, dynamic=False)
        self._parameters = [part for part in self._model.parameters() if part.requires_grad]
        graph = "graph" in options
        self._rate = torch.tensor(RATE, device=network.device) if graph else RATE
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=self._rate, fused=True, capturable=graph and self._cuda
        )
        # Loss, correct predictions, gradient norm: what a run would record.
        self._sums = torch.zeros(3, device=network.device, dtype=torch.float64)
        self._attention: Callable[[], AbstractContextManager[Any]] = nullcontext
        if "cudnn" in options:
            self._attention = lambda: sdpa_kernel(SDPBackend.CUDNN_ATTENTION)
        self._work = self._step
        if graph:
            self._work = self._recorded() if self._cuda else self._step
            self.facts["noise"] = self._noise()

    def __call__(self) -> None:
        """Launch a step."""
        self._work()

    def _losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum of the masked tokens' losses, and how many predictions are right."""
        model = self._model
        model.sparse_head.positions = self._positions
        reduced = model.precision != torch.float32
        with torch.autocast(self._inputs.device.type, dtype=model.precision, enabled=reduced):
            logits = super(SlotForward, model).forward(self._inputs, return_dict=True).logits
        flat, wanted = logits.float().flatten(0, 1), self._labels.flatten()
        loss = torch.nn.functional.cross_entropy(flat, wanted, ignore_index=IGNORED, reduction="sum")
        return loss, (flat.detach().argmax(-1) == wanted).sum()

    def _step(self) -> None:
        # To None: in a graph, gradients are in the graph's own memory.
        self._optimizer.zero_grad()
        with self._attention():
            loss, correct = self._forward()
        (loss / self._count).backward()
        norm = torch.nn.utils.get_total_norm(
            [part.grad for part in self._parameters if part.grad is not None]
        )
        torch.nn.utils.clip_grads_with_norm_(self._parameters, 1.0, norm)
        self._optimizer.step()
        self._sums.copy_(torch.stack([loss.detach().double(), correct.double(), norm.double()]))

    def _recorded(self) -> Callable[[], None]:
        """The step as a CUDA graph's replay."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(BEFORE_CAPTURE):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph.replay

    def _noise(self) -> dict[str, Any]:
        """Whether the same seed gives the same loss, and another seed another one, with the same weights."""
        seed = torch.cuda.default_generators[0].manual_seed if self._cuda else torch.manual_seed
        self._rate.zero_()
        losses = []
        for key in (1, 2, 1):
            seed(key)
            self._work()
            losses.append(float(self._sums[0]))
        self._rate.fill_(RATE)
        return {"same": losses[0] == losses[2], "other": losses[0] != losses[1], "losses": losses}
