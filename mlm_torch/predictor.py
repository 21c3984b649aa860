"""Predicting with PyTorch."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from mlm_core.batch import Batch
from mlm_core.initialization import ModelOutline, Weights
from mlm_core.model_source import ModelSource
from mlm_core.predictor import Predictor
from mlm_torch.head import SparseHead
from mlm_torch.machine import set_up
from mlm_torch.model import build_model
from mlm_torch.products import speed_up_products
from mlm_torch.weights import assign, outline


@final
class TorchPredictor(Predictor):
    """The core's predictor on PyTorch."""

    def _build(self, model: ModelSource) -> ModelOutline:
        device = set_up(self.config.device, self.config.threads)
        self._network = build_model(model.config, model.name, code=model.code).to(device).eval()
        if device.type == "cpu":
            speed_up_products(self._network)
        return outline(self._network)

    def _assign(self, weights: Weights) -> None:
        assign(self._network, weights)

    def _logits(self, batch: Batch) -> NDArray[np.float32]:
        with torch.inference_mode():
            return self._network(**self._tensors(batch)).logits.float().cpu().numpy()

    def _use_head(self, *, sparse: bool, probe: Batch) -> None:
        # Looking for a place within the last layer takes longer than a few texts.
        head = SparseHead.of(self._network, self._tensors(probe), deep=False) if sparse else None
        self._network.sparse_head = head

    def _tensors(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(array).to(self._network.device) for name, array in batch.items()}
