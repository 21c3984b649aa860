"""Parameters by canonical name: here the names and layouts are PyTorch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mlm_core.checkpoint import Moments
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


def export_moments(optimizer: Any, model: Any) -> Moments:
    """AdamW's moments of every parameter that has been updated."""
    named = {name: optimizer.state[parameter] for name, parameter in model.named_parameters()}
    return Moments(
        first={name: state["exp_avg"].float().cpu().numpy() for name, state in named.items() if state},
        second={name: state["exp_avg_sq"].float().cpu().numpy() for name, state in named.items() if state},
    )


def assign_moments(optimizer: Any, model: Any, moments: Moments, step: int) -> None:
    """Put an optimizer where it was after `step` steps."""
    for name, parameter in model.named_parameters():
        if name in moments.first:
            optimizer.state[parameter] = {
                "step": torch.tensor(float(step)),
                "exp_avg": torch.from_numpy(np.array(moments.first[name])).to(parameter.device),
                "exp_avg_sq": torch.from_numpy(np.array(moments.second[name])).to(parameter.device),
            }
