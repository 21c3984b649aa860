"""The core's network in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch
from mlm_core.compat.transformers import computes_twice
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.initialization import ParameterSpecs, Weights
from mlm_core.network import Network
from mlm_core.training.first_batch import FirstBatch
from mlm_torch.head import SparseHead
from mlm_torch.machine import allow_tf32, keep_freed_memory, set_up
from mlm_torch.matmul import align_output, speed_up_matmul
from mlm_torch.model import add_up_lookups, build_model
from mlm_torch.weights import assign, export, export_gradients, specs


@final
class TorchNetwork(Network):
    """A slot model on a device.

    Attributes:
        device: the device of the model, once it is built.
    """

    device: torch.device

    def build(self) -> ParameterSpecs:
        """See `Network.build`."""
        options = self.options
        self.device = set_up(options.device, options.threads)
        self.ready()
        model = build_model(self.source.config, self.source.name, options.precision, self.source.code)
        self.model = model.to(self.device).eval()
        if not self.on_cpu() and options.precision != "float32":
            align_output(self.model)
        if self.on_cpu():
            speed_up_matmul(self.model)
            if options.training:
                keep_freed_memory()
                if not options.compile and not torch.distributed.is_initialized():
                    # With several ranks PyTorch sums up the gradients as autograd makes them.
                    add_up_lookups(self.model)
        return specs(self.model)

    def compile(self) -> None:
        """See `Network.compile`: passes of training and evaluation, with the head and the sums."""
        if self.options.compile:
            # PyTorch counts the passes that it compiles over all models of a process. After eight it computes
            # without compiling, and says nothing.
            torch.compiler.reset()
            self.model.compile(dynamic=False)

    def assign(self, weights: Weights) -> None:
        """See `Network.assign`."""
        assign(self.model, weights)

    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """See `Network.weights`."""
        return export(self.model)

    def on_cpu(self) -> bool:
        """See `Network.on_cpu`."""
        return self.device.type == "cpu"

    def logits(self, batch: Batch) -> NDArray[np.float32]:
        """See `Network.logits`."""
        self.ready()
        # Not inference mode: tensors that a class caches between passes (ESM does) must also work in
        # training.
        with torch.no_grad():
            return self._output(batch).logits.float().cpu().numpy()

    def first_batch(self, batch: Batch) -> FirstBatch:
        """See `Network.first_batch`."""
        self.ready()
        self.model.zero_grad()
        output = self._output(batch)
        output.loss.backward()
        gradients = export_gradients(self.model)
        self.model.zero_grad()
        sums = MaskedSums(float(output.loss_sum.detach()), int(output.correct), int(output.masked_tokens))
        return FirstBatch(output.logits.detach().cpu().numpy(), sums, gradients)

    def _output(self, batch: Batch) -> Any:
        # Not compiled: batches of other shapes come once or twice. `forward` alone would leave the hooks out.
        return self.model.eval()._call_impl(**self.tensors(batch))

    def _sparse_head(self, probe: Batch) -> SparseHead:
        # Gradient checkpointing runs a layer once more, when the head's positions are no longer known.
        deep = self.options.deep_head and not computes_twice(self.model)
        return SparseHead.of(self.model, self.tensors(probe), deep=deep)

    @contextmanager
    def _products_in_float32(self) -> Iterator[None]:
        before, self.model.precision = self.model.precision, torch.float32
        try:
            yield
        finally:
            self.model.precision = before

    def _allow_tf32(self, allowed: bool) -> None:
        allow_tf32(allowed)

    def tensors(self, batch: Batch) -> dict[str, torch.Tensor]:
        """A batch on the model's device."""
        return {name: torch.from_numpy(array).to(self.device) for name, array in batch.items()}
