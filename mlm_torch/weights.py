"""Parameters by canonical name: PyTorch's own names and layouts."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlm_core.compat.transformers import converts_weights, quiet_transformers, stored_names
from mlm_core.model.initialization import ParameterSpecs, Weights
from mlm_core.model.tied_names import under_model_names
from mlm_core.training.checkpoint import Moments
from mlm_torch.model import second_biases
from mlm_torch.replicas import placed_like, reshard, whole


def specs(model: Any) -> ParameterSpecs:
    """The specs of the model's parameters; tied parameters appear once, see `named_parameters`."""
    shapes = {name: tuple(parameter.shape) for name, parameter in _trained(model).items()}
    # transformers 5 stores some models as their first code did, and renames and splits arrays while loading.
    converted = partial(_loaded, type(model), model.config) if converts_weights() else None
    return ParameterSpecs(shapes, model.base_model_prefix, list(_constants(model)), converted)


def _loaded(model_class: Any, config: Any, stored: Mapping[str, NDArray[Any]]) -> Weights:
    """The arrays that transformers loads from the stored ones, by its names; not what it draws."""
    tensors = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in stored.items()}
    before = torch.get_rng_state()
    with quiet_transformers():
        model, told = model_class.from_pretrained(
            None, config=deepcopy(config), state_dict=tensors, output_loading_info=True
        )
    torch.set_rng_state(before)
    found = {name: tensor.detach().numpy() for name, tensor in (_trained(model) | _constants(model)).items()}
    left = {name: tensors[name].numpy() for name in told["unexpected_keys"] if name in tensors}
    return {name: array for name, array in found.items() if name not in told["missing_keys"]} | left


def assign(model: Any, weights: Weights) -> None:
    """Assign every parameter, and every constant that is among the weights."""
    weights = _under_model_names(model, weights)
    constants = {name: tensor for name, tensor in _constants(model).items() if name in weights}
    with torch.no_grad():
        for name, tensor in (_trained(model) | constants).items():
            # A copy: the array may be read-only.
            tensor.copy_(placed_like(torch.from_numpy(np.array(weights[name])), tensor))


def export(model: Any) -> Weights:
    """Every parameter and constant as float32, by canonical name.

    If the output matrix is not tied, its bias has both names: transformers 5 reads only the second.
    """
    reshard(model)
    tensors = _trained(model) | _constants(model)
    if not getattr(model.config, "tie_word_embeddings", True):
        tensors |= {second: tensors[first] for second, first in second_biases(model).items()}
    return {name: _exported(tensor.detach()) for name, tensor in tensors.items()}


def _exported(tensor: torch.Tensor) -> NDArray[np.float32]:
    return whole(tensor).float().cpu().numpy()


def read_pickled(path: Path) -> Weights:
    """Read the floating-point tensors of a file of `torch.save`; no code in it runs."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return {
        name: tensor.float().numpy()
        for name, tensor in stored.items()
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
    }


def export_gradients(model: Any) -> Weights:
    """The gradient of every parameter by canonical name; 0 if the loss does not depend on it."""
    parameters = _trained(model)
    none = {name: np.zeros(parameter.shape, np.float32) for name, parameter in parameters.items()}
    found = {name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None}
    return none | {name: _exported(gradient) for name, gradient in found.items()}


def export_moments(optimizer: Any, model: Any) -> Moments:
    """AdamW's moments of every parameter that has been updated."""
    reshard(model)
    named = {name: optimizer.state[parameter] for name, parameter in _trained(model).items()}
    return Moments(
        first={name: _exported(state["exp_avg"]) for name, state in named.items() if state},
        second={name: _exported(state["exp_avg_sq"]) for name, state in named.items() if state},
    )


def assign_moments(optimizer: Any, model: Any, moments: Moments, step: int) -> None:
    """Restore an optimizer to its state after `step` steps."""
    moments = Moments(_under_model_names(model, moments.first), _under_model_names(model, moments.second))
    for name, parameter in _trained(model).items():
        if name in moments.first:
            optimizer.state[parameter] = {
                # The fused AdamW keeps its step count on the parameter's device.
                "step": torch.tensor(float(step), device=parameter.device),
                "exp_avg": _moment(moments.first[name], parameter),
                "exp_avg_sq": _moment(moments.second[name], parameter),
            }


def _moment(array: NDArray[np.float32], parameter: torch.Tensor) -> torch.Tensor:
    return placed_like(torch.from_numpy(np.array(array)).to(parameter.device), parameter)


def named_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """Every parameter; tied parameters once, by their name in the encoder, as in checkpoints, else the first.

    A class may list its head first: CamemBERT and XLM-RoBERTa do so in transformers 5.
    """
    names: dict[torch.nn.Parameter, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter not in names or name.startswith(f"{model.base_model_prefix}."):
            names[parameter] = name
    return {name: parameter for parameter, name in names.items()}


def _under_model_names(model: Any, arrays: Weights) -> Weights:
    return under_model_names(arrays, {name: tuple(array.shape) for name, array in _trained(model).items()})


def _trained(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in named_parameters(model).items() if parameter.requires_grad}


def _constants(model: Any) -> dict[str, torch.Tensor]:
    """Constants in a checkpoint: sinusoids instead of a table, rotary frequencies."""
    in_checkpoints = model.state_dict()
    buffers = {name: tensor for name, tensor in model.named_buffers() if name in in_checkpoints}
    frozen = {name: tensor for name, tensor in model.named_parameters() if not tensor.requires_grad}
    layers = getattr(model.config, "num_hidden_layers", None)
    return {
        name: tensor
        for known, tensor in (buffers | frozen).items()
        if tensor.is_floating_point()
        for name in stored_names(known, layers)
    }
