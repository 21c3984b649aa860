"""The first weights of a model: from a checkpoint if it has them, else drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.randomness import Stream, key_of_name, normals
from mlm_core.errors import RequestError
from mlm_core.model.architectures import positions_follow_padding
from mlm_core.model.tied_names import (
    OUTPUT_MATRICES,
    passed_over,
    under_model_names,
    with_output_matrix,
)
from mlm_core.optimization.decay import is_normalization
from mlm_core.visible import quantity

Weights = dict[str, NDArray[np.float32]]
"""Parameters by canonical name: PyTorch's names and layouts; tied parameters appear once."""

_LEGACY_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Names in checkpoints that were converted from the first release of BERT, and the names of today."""


@dataclass(frozen=True)
class ParameterSpecs:
    """The parameters of an engine's model.

    Attributes:
        shapes: the shape of every parameter by canonical name, in PyTorch's layout.
        base_prefix: the attribute of the encoder, for example "roberta"; other parameters belong to the head.
        constants: the names of arrays that the class computes from its config but stores with the parameters,
            for example ESM's rotary frequencies. They are taken from a checkpoint, and never drawn.
        converted: gives the arrays of a checkpoint the names and shapes of the class, where the class's
            library stores them in another way; None: it does not.
    """

    shapes: Mapping[str, tuple[int, ...]]
    base_prefix: str
    constants: Collection[str] = ()
    converted: Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]] | None = None

    def in_encoder(self, name: str) -> bool:
        """Whether a parameter belongs to the encoder, by its canonical name."""
        return name.startswith(self.base_prefix + ".")


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a run starts from.

    Attributes:
        weights: every parameter, and the constants that are in the checkpoint.
        drawn: names of the parameters that the checkpoint lacks.
        unused: names in the checkpoint that the model lacks.
        passed_over: names of output biases that the checkpoint also holds under a second name, with other
            values, which are taken.
    """

    weights: Weights
    drawn: list[str]
    unused: list[str]
    passed_over: list[str]

    def untrained_error(self, source: str) -> RequestError:
        """The error where a model must predict but part of it was drawn; `source` is the model's name."""
        return RequestError(
            f"checkpoint lacks trained weights for {', '.join(self.drawn)}",
            code="incomplete_model",
            option="--model",
            value=source,
            fix="train it first: mlm train --model",
        )


def draw_parameter(name: str, shape: tuple[int, ...], config: Any, seed: int) -> NDArray[np.float32]:
    """A new parameter, float32, keyed by (seed, canonical name).

    Matrices and embeddings are normal with mean 0 and the config's `initializer_range` as standard deviation,
    with zeros in padding rows. Biases are 0 and normalisation weights 1. This is the rule of BERT (Devlin et
    al., 2018) and of the architectures that follow it.

    Args:
        name: the parameter's canonical name.
        shape: the parameter's shape, in PyTorch's layout.
        config: the model's transformers config.
        seed: the run's seed.
    """
    if name.endswith("bias"):
        return np.zeros(shape, dtype=np.float32)
    if len(shape) == 1 or is_normalization(name):
        return np.ones(shape, dtype=np.float32)
    deviation = float(getattr(config, "initializer_range", 0.02))
    drawn = normals(seed, Stream.INITIALIZATION, key_of_name(name), int(np.prod(shape)))
    weight = (deviation * drawn).astype(np.float32).reshape(shape)
    if _has_padding_row(name, config):
        weight[config.pad_token_id] = 0.0
    return weight


def initial_weights(
    specs: ParameterSpecs, checkpoint: Mapping[str, NDArray[Any]] | None, config: Any, seed: int, source: str
) -> InitialWeights:
    """Every parameter of the specs, from the checkpoint if it has the parameter, else a new one.

    Args:
        specs: the model's parameters.
        checkpoint: arrays by stored name; None: train from scratch.
        config: the model's transformers config.
        seed: the run's seed, a part of the key of new parameters.
        source: the checkpoint's name in an error.

    Raises:
        RequestError: a shape differs, the checkpoint lacks part of the encoder, or its output matrix is not
            tied to the word embeddings while the model's is.
    """
    stored = _canonical(checkpoint, specs) if checkpoint is not None else {}
    if checkpoint is not None and specs.converted is not None and _absent(stored, specs):
        stored = _canonical(specs.converted(checkpoint), specs)
    if getattr(config, "tie_word_embeddings", True):
        stored = with_output_matrix(stored, specs.shapes)
    missing = [name for name in specs.shapes if name not in stored]
    absent = _absent(stored, specs)
    if checkpoint is not None and absent:
        raise RequestError(
            f"checkpoint lacks {quantity(len(absent), 'parameter')} of the encoder, for example {absent[0]}",
            code="incomplete_model",
            option="--model",
            value=source,
            fix="check that config.json belongs to the weights, or train with --from-scratch",
        )
    unused = [name for name in stored if name not in specs.shapes and name not in specs.constants]
    _check_output_matrix(stored, unused, specs, source)
    weights: Weights = {}
    for name, shape in specs.shapes.items():
        if name not in stored:
            weights[name] = draw_parameter(name, shape, config, seed)
            continue
        if stored[name].shape != shape:
            raise RequestError(
                f"{name} has shape {stored[name].shape}, but config.json asks for {shape}",
                code="shape_mismatch",
                option="--model",
                value=source,
                fix="check that config.json belongs to the weights",
            )
        weights[name] = np.asarray(stored[name], dtype=np.float32)
    weights |= {name: np.asarray(stored[name], np.float32) for name in specs.constants if name in stored}
    return InitialWeights(weights, missing, unused, passed_over(checkpoint or {}, specs.shapes))


def _absent(stored: Mapping[str, NDArray[Any]], specs: ParameterSpecs) -> list[str]:
    """The names of the encoder's parameters that a checkpoint lacks."""
    return [name for name in specs.shapes if name not in stored and specs.in_encoder(name)]


def _canonical(checkpoint: Mapping[str, NDArray[Any]], specs: ParameterSpecs) -> dict[str, NDArray[Any]]:
    """The checkpoint's arrays by canonical name; an encoder that was saved by itself has no prefix."""
    renamed = {}
    for stored_name, array in checkpoint.items():
        name = stored_name
        for legacy, current in _LEGACY_NAMES.items():
            name = name.replace(legacy, current)
        if name not in specs.shapes and f"{specs.base_prefix}.{name}" in specs.shapes:
            name = f"{specs.base_prefix}.{name}"
        renamed[name] = array
    return under_model_names(renamed, specs.shapes)


def _check_output_matrix(
    stored: Mapping[str, NDArray[Any]], unused: list[str], specs: ParameterSpecs, source: str
) -> None:
    """Reject a checkpoint with an output matrix of its own if the model uses the word embeddings instead."""
    tables = [
        stored[name] for name in stored if name in specs.shapes and name.endswith("word_embeddings.weight")
    ]
    for name in unused:
        if name.endswith(OUTPUT_MATRICES):
            same = [table for table in tables if table.shape == stored[name].shape]
            if same and not any(np.array_equal(table, stored[name]) for table in same):
                raise RequestError(
                    f"{name} differs from the word embeddings, which this model class uses instead",
                    code="untied_output",
                    option="--model",
                    value=source,
                    fix="set tie_word_embeddings to false and use --backend torch, or tie the embeddings",
                )


def _has_padding_row(name: str, config: Any) -> bool:
    if getattr(config, "pad_token_id", None) is None:
        return False
    if name.endswith("position_embeddings.weight"):
        return positions_follow_padding(config)
    return name.endswith("word_embeddings.weight")
