"""Parameters by canonical name: translates TensorFlow's names and layouts to PyTorch's and back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray
from transformers.modeling_tf_pytorch_utils import apply_transpose, convert_tf_weight_name_to_pt_weight_name

from mlm_core.model.initialization import ParameterSpecs, Weights
from mlm_core.training.checkpoint import Moments


@dataclass(frozen=True)
class _Place:
    """A variable, its canonical name, and the difference between the layouts."""

    variable: Any
    name: str
    transpose: Any

    def canonical_shape(self) -> tuple[int, ...]:
        # A view of a single zero: only the shape matters.
        zeros = np.broadcast_to(np.zeros((), dtype=np.float32), tuple(self.variable.shape))
        return tuple(self._transposed(zeros).shape)

    def to_canonical(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._transposed(array), dtype=np.float32)

    def _transposed(self, array: NDArray[Any]) -> NDArray[Any]:
        if self.name.endswith("depthwise.weight"):
            # ConvBERT: [length, channels, 1] here, [channels, 1, length] in PyTorch.
            return array.transpose(1, 2, 0)
        if self.name.endswith("key_conv_attn_layer.bias"):
            return array[:, None]
        return apply_transpose(self.transpose, array, pt_to_tf=False)

    def from_canonical(self, array: NDArray[np.float32]) -> NDArray[Any]:
        return apply_transpose(self.transpose, array, match_shape=self.variable.shape, pt_to_tf=True)


def specs(model: Any) -> ParameterSpecs:
    """The specs of the model's parameters; tied parameters appear once."""
    shapes = {place.name: place.canonical_shape() for place in _places(model)}
    constants = [place.name for place in _constants(model)]
    return ParameterSpecs(shapes, model.base_model_prefix, constants)


def assign(model: Any, weights: Weights) -> None:
    """Assign every parameter, and every constant that is among the weights."""
    places = [*_places(model), *(place for place in _constants(model) if place.name in weights)]
    keras.backend.batch_set_value(
        [(place.variable, place.from_canonical(weights[place.name])) for place in places]
    )


def export(model: Any) -> Weights:
    """Every parameter and constant as float32, by canonical name."""
    places = [*_places(model), *_constants(model)]
    return {place.name: place.to_canonical(place.variable.numpy()) for place in places}


def write_h5(model: Any, path: Path) -> None:
    """Write the weights atomically, in the format that transformers' TensorFlow classes read."""
    # A new directory: a file, or a link, of a name that can be guessed may be there already.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        model.save_weights(str(Path(scratch) / path.name))
        (Path(scratch) / path.name).replace(path)


def export_gradients(model: Any, gradients: Sequence[Any]) -> Weights:
    """Dense gradients by canonical name; `gradients` follows the order of `trained_variables`."""
    return {
        place.name: place.to_canonical(gradient.numpy())
        for place, gradient in zip(_places(model), gradients, strict=True)
    }


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
    """Restore the model's optimizer, whose slots exist, to its state after `step` steps."""
    optimizer = model.optimizer
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
    """Canonical names by variable name."""
    return {place.variable.name: place.name for place in _places(model)}


def trained_variables(model: Any) -> list[Any]:
    """The trained variables: those that are parameters of the PyTorch class as well."""
    return [place.variable for place in _places(model)]


def _places(model: Any) -> Iterator[_Place]:
    return (place for place in _all_places(model) if not _is_constant(place, model.config))


def _constants(model: Any) -> Iterator[_Place]:
    return (place for place in _all_places(model) if _is_constant(place, model.config))


def _is_constant(place: _Place, config: Any) -> bool:
    # RoFormer's sinusoids are frozen only in PyTorch.
    frozen = config.model_type == "roformer" and place.name.endswith(".embed_positions.weight")
    return frozen or not place.variable.trainable


def _all_places(model: Any) -> Iterator[_Place]:
    for variable in model.weights:
        name, transpose = convert_tf_weight_name_to_pt_weight_name(
            variable.name, tf_weight_shape=variable.shape
        )
        canonical = _canonical_name(name, model.config)
        if canonical is not None:
            yield _Place(variable, canonical, transpose)


def _canonical_name(name: str, config: Any) -> str | None:
    """The name in PyTorch; None: the PyTorch class has no such parameter, and the model does not use it."""
    architecture = config.model_type
    if architecture == "albert":
        # The bias in use is decoder.bias; the variable named bias is never read.
        return {"predictions.bias": None, "predictions.decoder.bias": "predictions.bias"}.get(name, name)
    if architecture == "deberta-v2":
        return name.replace(".pos_proj.", ".pos_key_proj.").replace(".pos_q_proj.", ".pos_query_proj.")
    if architecture == "esm" and config.position_embedding_type != "absolute":
        return None if name == "esm.embeddings.position_embeddings.weight" else name
    if architecture == "mpnet":
        return None if name.startswith("mpnet.pooler.") else name
    return name
