"""How fast this machine multiplies matrices, and how many operations a training step has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlm_core.engine import Engine
from mlm_core.model.architectures import layers_with
from mlm_core.model.initialization import ParameterSpecs
from mlm_core.training.setup import TrainingSetup

Shape = tuple[int, int, int]
"""Rows, inner size and columns of a matrix product."""

_TABLES = ("embeddings.weight", "embedding.weight")
"""Embedding tables. A lookup is no product, but the output matrix may be tied to the table."""


@dataclass(frozen=True)
class Arithmetic:
    """The matrix products of a forward pass.

    Attributes:
        shapes: of all products with weights, in the order of the parameters.
        attention: operations in attention's two products, of scores and of values.
    """

    shapes: Sequence[Shape]
    attention: float

    @property
    def forward(self) -> float:
        """Operations of a forward pass: 2 * rows * inner size * columns for each product."""
        return sum(2.0 * rows * inner * columns for rows, inner, columns in self.shapes) + self.attention

    @property
    def step(self) -> float:
        """Operations of a training step: the backward pass does each product twice (Kaplan et al., 2020)."""
        return 3 * self.forward

    @property
    def distinct(self) -> list[Shape]:
        """Each shape once."""
        return list(dict.fromkeys(self.shapes))


def arithmetic(setup: TrainingSetup, specs: ParameterSpecs) -> Arithmetic:
    """The nominal arithmetic of a step: all layers at all positions, the head at the masked positions."""
    tokens = setup.plan.batch_size * int(setup.train.blocks.shape[1])
    masked = round(tokens * setup.config.mlm_probability)
    matrices = {name: shape for name, shape in specs.shapes.items() if len(shape) == 2}
    tables = {name: shape for name, shape in matrices.items() if name.endswith(_TABLES)}
    shapes = [
        (tokens if specs.in_encoder(name) else masked, shape[1], shape[0])
        for name, shape in matrices.items()
        if name not in tables
        for _ in range(layers_with(name, setup.model.config))
    ]
    words = max(tables.values(), default=None)
    if words is not None and getattr(setup.model.config, "tie_word_embeddings", True):
        shapes.append((masked, words[1], words[0]))
    return Arithmetic(shapes, _attention(setup.model.config, tokens, int(setup.train.blocks.shape[1])))


def _attention(config: Any, tokens: int, length: int) -> float:
    layers = getattr(config, "num_hidden_layers", 0)
    return 2.0 * 2.0 * layers * tokens * length * getattr(config, "hidden_size", 0)


class MatmulBenchmark:
    """The speed of a model's matrix products alone, in its framework.

    Args:
        engine: multiplies the matrices.
        setup: the training to imitate.
        specs: the shapes of the model's parameters.

    Attributes:
        arithmetic: of a training step.
    """

    def __init__(self, engine: Engine, setup: TrainingSetup, specs: ParameterSpecs) -> None:
        self.arithmetic = arithmetic(setup, specs)
        self._engine = engine
        self._config = setup.config
        self._multiply: Callable[[], None] | None = None

    def rate(self) -> float | None:
        """Operations per second over each distinct product once; None: the engine offers no products."""
        shapes = self.arithmetic.distinct
        if self._multiply is None:
            self._multiply = self._engine.matmul(shapes, self._config.precision, self._config.device)
            if self._multiply is None:
                return None
            # The first call traces and allocates memory.
            self._multiply()
        begun = time.perf_counter()
        self._multiply()
        seconds = time.perf_counter() - begun
        return (
            sum(2.0 * rows * inner * columns for rows, inner, columns in self.arithmetic.distinct) / seconds
        )
