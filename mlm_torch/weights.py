"""Parameters by canonical name: here the names and layouts are PyTorch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mlm_core.initialization import ModelOutline, Weights


def outline(model: Any) -> ModelOutline:
    """What the model is made of; tied parameters once, under the name they have first."""
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return ModelOutline(shapes, model.base_model_prefix)


def assign(model: Any, weights: Weights) -> None:
    """Give every parameter its value."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # A copy: the array may be read-only.
            parameter.copy_(torch.from_numpy(np.array(weights[name])))


def export(model: Any) -> Weights:
    """Every parameter as float32."""
    return {name: parameter.detach().float().cpu().numpy() for name, parameter in model.named_parameters()}
