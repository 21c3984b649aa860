"""A framework's masked language model: building it, assigning its weights, computing its logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch
from mlm_core.config.config import Config
from mlm_core.config.runtime import Device
from mlm_core.model.initialization import ParameterSpecs, Weights
from mlm_core.model.source import ModelSource
from mlm_core.model.sparse_head import MaskedPass, choose_head
from mlm_core.training.first_batch import FirstBatch


@dataclass(frozen=True)
class NetworkOptions:
    """How a network is built.

    Attributes:
        device: see `--device`.
        threads: processor threads; None keeps the framework's own setting.
        precision: of matrix products: "float32", "tf32", "bf16" or "fp16".
        compile: whether its forward pass is compiled.
        training: whether the network is trained; False: it only predicts.
        seed: keys the dropout noise.
        deep_head: whether the sparse head may begin within the last layer. The search for the place takes as
            long as a few texts take.
    """

    device: Device = "auto"
    threads: int | None = None
    precision: str = "float32"
    compile: bool = False
    training: bool = False
    seed: int = 0
    deep_head: bool = False

    @classmethod
    def for_training(cls, config: Config) -> Self:
        """The options of a run or an evaluation from its resolved config."""
        return cls(
            device=config.device,
            threads=config.threads,
            precision=config.precision,
            compile=config.compile,
            training=True,
            seed=config.seed,
            deep_head=True,
        )


class Network(ABC):
    """A framework's model. Each trainer and each predictor holds one; engines implement the hooks.

    Args:
        source: config, tokenizer and origin of the model.
        options: how the network is built.

    Attributes:
        class_prefix: what the framework's class name has in front of the PyTorch class name.
        model: the framework's model itself; None until `build`.
        head: "sparse" where logits are computed only at the masked positions, else "dense".
    """

    class_prefix: ClassVar[str] = ""

    def __init__(self, source: ModelSource, options: NetworkOptions) -> None:
        self.source = source
        self.options = options
        self.model: Any = None
        self.head = "dense"
        self._exact = False

    @final
    def choose_head(self, probe: Batch) -> str | None:
        """Use the sparse head if its logits agree with the dense head's.

        Args:
            probe: a batch with masked positions, on which the heads are compared.

        Returns:
            Why the dense head stays; None: the sparse head is in use.
        """

        def use(sparse: bool) -> None:
            self.model.sparse_head = self._sparse_head(probe) if sparse else None

        with self.in_float32():
            problem = choose_head(use, lambda: self.logits(probe))
        if problem is None:
            self.head = "sparse"
        return problem

    def compile(self) -> None:  # noqa: B027 - an engine may compile the whole step later
        """Compile the forward pass, if the options ask for it; the head is chosen already."""

    def architecture(self) -> str:
        """The PyTorch class name of the model, as `config.json` records it."""
        return type(self.model).__name__.removeprefix(self.class_prefix)

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """While inside, matrix products are float32 whatever the precision, if the framework can do that."""
        self._exact = True
        self.ready()
        try:
            with self._products_in_float32():
                yield
        finally:
            self._exact = False
            self.ready()

    @final
    def exact_logits(self, batch: Batch) -> NDArray[np.float32]:
        """See `logits`: as a predictor computes them, whatever the precision of the training."""
        with self.in_float32():
            return self.logits(batch)

    def ready(self) -> None:
        """Set what all networks of a process share; to be called before this network computes."""
        self._allow_tf32(self.options.precision == "tf32" and not self._exact)

    def _products_in_float32(self) -> AbstractContextManager[None]:
        """While inside, this network's products of 16 bits are float32, if the framework can do that."""
        return nullcontext()

    @abstractmethod
    def _allow_tf32(self, allowed: bool) -> None:
        """Whether float32 products of a GPU may be TF32, in the whole process."""

    @abstractmethod
    def build(self) -> ParameterSpecs:
        """Set the process up (threads, device) and build the model of `source.config`."""

    @abstractmethod
    def assign(self, weights: Weights) -> None:
        """Give every parameter its value."""

    @abstractmethod
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """Every parameter now, float32 by canonical name."""

    @abstractmethod
    def on_cpu(self) -> bool:
        """Whether the model is on the CPU, where verifying its batches costs nothing."""

    @abstractmethod
    def _sparse_head(self, probe: Batch) -> MaskedPass:
        """A head that computes logits only at the masked positions; `probe` is a batch to try.

        Raises:
            Exception: the head cannot be told from the rest of the model.
        """

    @abstractmethod
    def logits(self, batch: Batch) -> NDArray[np.float32]:
        """Logits without dropout: `[batch, slots, vocabulary]` float32 at `masked_positions`.

        A batch without `masked_positions` gives `[batch, length, vocabulary]`.
        """

    @abstractmethod
    def first_batch(self, batch: Batch) -> FirstBatch:
        """Logits, sums and gradients of one batch, without dropout; nothing is updated."""
