"""One parameter that checkpoints store under two names, or under the name that a model does not use.

The bias of the output matrix is `X.bias` in some versions of the classes and `X.decoder.bias` in others. A
tied output matrix is the word table, and some writers keep only the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]

OUTPUT_MATRICES = (
    "decoder.weight", "vocab_projector.weight", "generator_lm_head.weight", "pred_layer.proj.weight"
)  # fmt: skip
"""Ends of the names of output matrices."""

_BIAS, _DECODER_BIAS = "bias", "decoder.bias"
_WORD_TABLES = ("word_embeddings.weight", "tok_embeddings.weight")


def under_model_names(stored: Arrays, shapes: Shapes) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint under the names that the model uses.

    Two stored names of an output bias that differ come from a version of transformers in which they are two
    parameters. Its classes add `decoder.bias`, and train it; the other one is a leftover. So `decoder.bias`
    counts. If the model itself has two parameters, each keeps its own array.

    Args:
        stored: arrays by canonical name.
        shapes: the shape of every parameter of the model.
    """
    named = dict(stored)
    for decoder_bias in _decoder_biases({*stored, *shapes}):
        pair = (decoder_bias, bias_beside(decoder_bias))
        wanted = [name for name in pair if name in shapes]
        held = [named[name] for name in pair if name in named]
        if not wanted or not held or (all(name in named for name in wanted) and len(wanted) == 2):
            continue
        for name in pair:
            named.pop(name, None)
        named |= dict.fromkeys(wanted, held[0])
    return _with_word_table(named, shapes)


def passed_over(stored: Arrays, shapes: Shapes) -> list[str]:
    """The names of stored output biases whose second name holds other values, which are taken."""
    return [
        bias_beside(name)
        for name in _decoder_biases(set(stored))
        if bias_beside(name) in stored
        and len({name, bias_beside(name)} & set(shapes)) == 1
        and not np.array_equal(stored[name], stored[bias_beside(name)])
    ]


def bias_beside(decoder_bias: str) -> str:
    """The other name of an output bias: `X.bias` for `X.decoder.bias`."""
    return decoder_bias.removesuffix(_DECODER_BIAS) + _BIAS


def with_output_matrix(stored: Arrays, shapes: Shapes) -> dict[str, NDArray[Any]]:
    """The arrays with an output matrix, where the model has one of its own and the checkpoint's is tied.

    LUKE's class ties it to the word table in transformers 4, and does not in version 5.

    Args:
        stored: arrays by the model's names.
        shapes: the shape of every parameter of the model.
    """
    absent = [name for name in shapes if name.endswith(OUTPUT_MATRICES) and name not in stored]
    tables = [name for name in shapes if name.endswith(_WORD_TABLES) and name in stored]
    if len(absent) == 1 and len(tables) == 1 and stored[tables[0]].shape == shapes[absent[0]]:
        return {**stored, absent[0]: stored[tables[0]]}
    return dict(stored)


def _decoder_biases(names: set[str]) -> list[str]:
    """The names `X.decoder.bias`."""
    return sorted(name for name in names if name.endswith(f".{_DECODER_BIAS}"))


def _with_word_table(stored: dict[str, NDArray[Any]], shapes: Shapes) -> dict[str, NDArray[Any]]:
    """The arrays with the word table, where only the output matrix that is tied to it is stored."""
    absent = [name for name in shapes if name.endswith(_WORD_TABLES) and name not in stored]
    matrices = [name for name in stored if name.endswith(OUTPUT_MATRICES) and name not in shapes]
    if len(absent) == 1 and len(matrices) == 1 and stored[matrices[0]].shape == shapes[absent[0]]:
        stored[absent[0]] = stored.pop(matrices[0])
    return stored
