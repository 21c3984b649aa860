"""A model with its weights, evaluated on held-out text; engines fill in the hooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.compat.model_errors import Phase, explained
from mlm_core.config.arguments import as_directory
from mlm_core.config.config import required
from mlm_core.framework import Framework
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.config_checks import TRAINING_COPIES, check_memory
from mlm_core.model.initialization import InitialWeights, ParameterSpecs
from mlm_core.model.left_out import left_out
from mlm_core.model.scratch import LEAST_NEW_RATE, NEW_HEAD_RATE, rates_from_scratch
from mlm_core.model.write_model import write_model
from mlm_core.network import Network
from mlm_core.progress import Progress
from mlm_core.training.checkpoint import Checkpoint
from mlm_core.training.run_errors import out_of_memory
from mlm_core.training.setup import EvaluationSetup, TrainingSetup

if TYPE_CHECKING:
    from mlm_core.metrics.named import NamedMetrics

_PROBE_ROWS = 2
"""Rows on which the sparse head is compared with the dense one."""


class Evaluator(ABC):
    """Loads the model of a setup, evaluates it and saves it. Engines override only the hooks.

    Args:
        framework: computes.
        setup: the model and the text, every option resolved.
        network: the framework's model, not built yet.

    Attributes:
        ranks: the processes that work together; each evaluates its rows.
    """

    def __init__(self, framework: Framework, setup: EvaluationSetup, network: Network) -> None:
        self.framework = framework
        self.setup = setup
        self.network = network
        self.ranks = framework.ranks
        self._progress = Progress.of(setup.config)
        self._specs: ParameterSpecs | None = None
        self._said_of_nothing = False
        self._after_batch: Callable[[], None] | None = None

    def evaluate(self) -> MaskedSums:
        """Evaluate the current weights on the setup's held-out text, with its fixed masks."""
        with self._memory_errors_explained():
            self._load()
            return self._held_out()

    def measure(self, metrics: NamedMetrics) -> dict[str, Any]:
        """Compute metrics of the `evaluate` library over the masked positions of the held-out text.

        Raises:
            RequestError: a metric fails on its input.
        """
        with self._memory_errors_explained():
            self._load()
            keys = self.setup.evaluation_keys
            # Every rank all of it: a metric may need the whole.
            for row in self._progress.track(keys, "measuring held-out batches", len(keys)):
                batch = self.setup.test(row)
                metrics.add(self.network.logits(batch).argmax(-1), batch["labels"])
        return metrics.compute()

    def specs(self) -> ParameterSpecs:
        """Build the model; return its parameters by name and shape."""
        with self._memory_errors_explained():
            return self._load()

    def save(self, directory: str | Path) -> None:
        """Write config, tokenizer and the current weights (`model.safetensors` in PyTorch's layout).

        Raises:
            RequestError: it is no path of a directory.
        """
        with self.ranks.together():
            if self.ranks.first:
                as_directory("directory", directory)
        self._load()
        weights = self.network.weights()
        with self.ranks.together():
            if self.ranks.first:
                self._write_model(Path(directory), weights)

    def _load(self, checkpoint: Checkpoint | None = None) -> ParameterSpecs:
        """Build the model and assign its first weights, once; a later call assigns only a checkpoint's."""
        if self._specs is None:
            with self._progress.phase("loading the model"):
                specs = self._build()
                self._prepare()
                if checkpoint is None:
                    with self._explained(Phase.WEIGHTS):
                        self._assign_first(specs)
                else:
                    self.network.assign(checkpoint.weights_for(specs))
                self._choose_head()
                self.network.compile()
            self._specs = specs
        elif checkpoint is not None:
            self.network.assign(checkpoint.weights())
        return self._specs

    def _build(self) -> ParameterSpecs:
        """Build the model, unless its training would need more memory than is free."""
        model = self.setup.model
        if isinstance(self.setup, TrainingSetup) and "gpu" not in self.framework.devices():
            check_memory(model.config, model.name, TRAINING_COPIES)
        with self._explained(Phase.BUILD):
            return self.network.build()

    def _assign_first(self, specs: ParameterSpecs) -> None:
        """Assign the weights that the model starts from."""
        model, seed = self.setup.model, self.setup.config.seed
        initial = model.starting_weights(specs, seed, self.framework.read_pickled)
        if initial.drawn and model.weights is not None:
            if not isinstance(self.setup, TrainingSetup):
                raise initial.untrained_error(model.name)
            self._progress.say(f"not in the model, drawn with the seed: {', '.join(initial.drawn)}")
        if isinstance(self.setup, TrainingSetup):
            for line in [*left_out(initial.unused, model.weights), *self._advice(initial)]:
                self._progress.say(line)
        for name in initial.passed_over:
            second = f"{name.removesuffix('bias')}decoder.bias"
            self._progress.say(f"the model holds {name} and {second}, which differ: {second} is used")
        if initial.unused:
            self._progress.detail(f"in the model, not used: {', '.join(initial.unused)}")
        self.network.assign(initial.weights)

    def _advice(self, initial: InitialWeights) -> list[str]:
        """What suits drawn weights, where the learning rate is too low for them."""
        rate, model = required(self.setup.config.learning_rate), self.setup.model
        if not initial.drawn or not 0 < rate < LEAST_NEW_RATE:
            return []
        if model.weights is not None:
            what, better = "new weights", NEW_HEAD_RATE
        else:
            what, better = "random weights", rates_from_scratch(model.config.to_dict())["learning_rate"]
        return [f"{what} learn little at a learning rate of {rate:g}: --learning-rate {better:g} suits them"]

    def _choose_head(self) -> None:
        """Use the sparse head where it computes the dense head's logits, unless `--mlm-head dense`."""
        config, probe = self.setup.config, self.setup.test(self.setup.evaluation_keys[0][:_PROBE_ROWS])
        with self._explained(Phase.PASS):
            if config.mlm_head == "dense":
                self.network.logits(probe)
                return
            problem = self.network.choose_head(probe)
        if problem is not None:
            self._progress.say(f"logits are computed at every position, not only at masked ones: {problem}")

    def _write_model(self, path: Path, weights: Mapping[str, Any]) -> None:
        model = self.setup.model
        write_model(path, weights, model.config, model.tokenizer, self.network.architecture(), model.code)

    @contextmanager
    def _memory_errors_explained(self) -> Iterator[None]:
        """While inside, errors of memory and of reading batches are raised as errors with a fix."""
        try:
            with self.framework.memory_errors_as(out_of_memory()):
                yield
        except Exception:
            for part in (self.setup.test, getattr(self.setup, "train", None)):
                failure = getattr(getattr(part, "blocks", None), "failure", None)
                if failure is not None:
                    # A framework may have wrapped it, as tf.data does.
                    raise failure from None
            raise

    def _explained(self, phase: Phase) -> AbstractContextManager[None]:
        """While inside, what libraries raise on the model's files is an error that names them."""
        return explained(phase, self.setup.model.name, self._memory_errors_explained())

    def _held_out(self) -> MaskedSums:
        """The evaluation of the current weights; says, once, that it is of nothing."""
        self.network.ready()
        self._progress.begin_evaluation(len(self.setup.evaluation_keys))
        try:
            sums = self._evaluate()
        finally:
            self._progress.end_evaluation()
        if not sums.masked_tokens and not self._said_of_nothing:
            self._said_of_nothing = True
            self._progress.warn(
                f"no token of the held-out text is masked at --mlm-probability "
                f"{self.setup.config.mlm_probability}, so its loss and perplexity are not known; use more "
                "text, or a higher --mlm-probability"
            )
        return sums

    def _evaluated_batch(self) -> None:
        """Engines call this after each batch of an evaluation."""
        self._progress.evaluated_batch()
        if self._after_batch is not None:
            self._after_batch()

    # ---------------------------------------------------------------- hooks

    def _prepare(self) -> None:  # noqa: B027 - an engine may have nothing to make
        """Make everything besides the model that evaluation and training need. The model is built already."""

    @abstractmethod
    def _evaluate(self) -> MaskedSums:
        """The sums over every row of the setup's `evaluation_keys`, without dropout."""
