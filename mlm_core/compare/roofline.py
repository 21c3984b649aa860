"""How fast this machine multiplies matrices, and how much arithmetic a step is."""

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
"""Rows, inner size and columns of a product."""

_TABLES = ("embeddings.weight", "embedding.weight")
"""What rows are looked up in by their number: no product, unless the output matrix is tied to it."""


@dataclass(frozen=True)
class Arithmetic:
    """The matrix products of a forward pass.

    Attributes:
        shapes: of all products with weights, in the order of the parameters.
        attention: operations in attention's own products, of scores and mixing.
    """

    shapes: Sequence[Shape]
    attention: float

    @property
    def forward(self) -> float:
        """Operations of a forward pass: two for each number of a product's weights and row."""
        return sum(2.0 * rows * inner * columns for rows, inner, columns in self.shapes) + self.attention

    @property
    def step(self) -> float:
        """Operations of a training step: backwards two products for each one (Kaplan et al., 2020)."""
        return 3 * self.forward

    @property
    def distinct(self) -> list[Shape]:
        """Each shape once."""
        return list(dict.fromkeys(self.shapes))


def arithmetic(setup: TrainingSetup, specs: ParameterSpecs) -> Arithmetic:
    """What a step of a setup is by the book: all layers at all positions, the head at the masked ones."""
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


class Products:
    """A model's products alone, as fast as its framework does them.

    Args:
        engine: the framework.
        setup: what is trained.
        specs: what its model is made of.

    Attributes:
        arithmetic: of a step of the setup.
    """

    def __init__(self, engine: Engine, setup: TrainingSetup, specs: ParameterSpecs) -> None:
        self.arithmetic = arithmetic(setup, specs)
        self._engine = engine
        self._config = setup.config
        self._multiply: Callable[[], None] | None = None

    def rate(self) -> float | None:
        """Operations a second of one pass through each distinct product; None: the engine has no products."""
        shapes = self.arithmetic.distinct
        if self._multiply is None:
            self._multiply = self._engine.matmul(shapes, self._config.precision, self._config.device)
            if self._multiply is None:
                return None
            # Traced, and with its memory.
            self._multiply()
        begun = time.perf_counter()
        self._multiply()
        seconds = time.perf_counter() - begun
        return (
            sum(2.0 * rows * inner * columns for rows, inner, columns in self.arithmetic.distinct) / seconds
        )
