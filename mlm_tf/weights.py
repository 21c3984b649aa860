"""Parameters by canonical name: TensorFlow's names and layouts translated to PyTorch's and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray
from transformers.modeling_tf_pytorch_utils import apply_transpose, convert_tf_weight_name_to_pt_weight_name

from mlm_core.checkpoint import Moments
from mlm_core.initialization import ModelOutline, Weights


@dataclass(frozen=True)
class _Place:
    """A variable, its canonical name, and how the layouts differ."""

    variable: Any
    name: str
    transpose: Any

    def canonical_shape(self) -> tuple[int, ...]:
        # A view of one zero: only its shape is wanted.
        zeros = np.broadcast_to(np.zeros((), dtype=np.float32), tuple(self.variable.shape))
        return tuple(apply_transpose(self.transpose, zeros, pt_to_tf=False).shape)

    def to_canonical(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return np.ascontiguousarray(apply_transpose(self.transpose, array, pt_to_tf=False), dtype=np.float32)

    def from_canonical(self, array: NDArray[np.float32]) -> NDArray[Any]:
        return apply_transpose(self.transpose, array, match_shape=self.variable.shape, pt_to_tf=True)


def outline(model: Any) -> ModelOutline:
    """What the model is made of; tied parameters once."""
    shapes = {place.name: place.canonical_shape() for place in _places(model)}
    return ModelOutline(shapes, model.base_model_prefix)


def assign(model: Any, weights: Weights) -> None:
    """Give every parameter its value."""
    places = list(_places(model))
    keras.backend.batch_set_value(
        [(place.variable, place.from_canonical(weights[place.name])) for place in places]
    )


def export(model: Any) -> Weights:
    """Every parameter as float32."""
    return {place.name: place.to_canonical(place.variable.numpy()) for place in _places(model)}


def export_moments(model: Any) -> Moments:
    """AdamW's moments of every parameter."""
    slots = {place.name: place for place in _places(model)}
    optimizer = model.optimizer
    return Moments(
        *(
            {
                name: place.to_canonical(optimizer.get_slot(place.variable, slot).numpy())
                for name, place in slots.items()
            }
            for slot in ("m", "v")
        )
    )


def assign_moments(model: Any, moments: Moments, step: int) -> None:
    """Put the model's optimizer where it was after `step` steps."""
    optimizer = model.optimizer
    # Keras makes the slots at the first update; they must be there before.
    optimizer._create_all_weights(model.trainable_variables)
    optimizer.iterations.assign(step)
    values = []
    for place in _places(model):
        for slot, arrays in (("m", moments.first), ("v", moments.second)):
            if place.name in arrays:
                values.append(
                    (optimizer.get_slot(place.variable, slot), place.from_canonical(arrays[place.name]))
                )
    keras.backend.batch_set_value(values)


def canonical_names(model: Any) -> dict[str, str]:
    """Canonical names by the names of the variables."""
    return {place.variable.name: place.name for place in _places(model)}


def _places(model: Any) -> Iterator[_Place]:
    rename = getattr(model, "tf_to_pt_weight_rename", None)
    for variable in model.trainable_variables:
        name, transpose = convert_tf_weight_name_to_pt_weight_name(
            variable.name, tf_weight_shape=variable.shape
        )
        if rename is not None:
            name = rename(name)[0]
        yield _Place(variable, name, transpose)
