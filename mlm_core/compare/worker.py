"""A column's process: `python -m mlm_core.compare.worker DIRECTORY` trains what DIRECTORY/config.json says.

It is a run like any other, but for the steps that it waits before.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlm_core.compare.protocol import (
    CONFIG,
    ENDED,
    FAILED,
    READY,
    STARTED,
    Channel,
    NoMoreStepsError,
    WorkerRounds,
)
from mlm_core.compare.roofline import MatmulBenchmark
from mlm_core.config.config import Config
from mlm_core.errors import MlmError
from mlm_core.model.dropout_rates import has_dropout
from mlm_core.system.child_processes import end_with_parent
from mlm_core.system.machine import peak_memory
from mlm_core.trainer import Trainer
from mlm_core.training.setup import TrainingSetup
from mlm_core.training.trained_model import DoneStep

Memory = dict[str, float | None]

WARM_UP = 3
"""Steps before a variant is ready: traced, compiled, and with its memory."""


class VariantRounds:
    """The steps of a variant, in rounds.

    Args:
        channel: the worker's end.
        products: returns operations a second in matrix products alone, measured once a round; None: that is
            not measured.
        memory: returns the most memory so far, in MB, of the process and of the device if there is one. It is
            read once, before the products take memory of their own.
    """

    def __init__(
        self, channel: Channel, products: Callable[[], float | None] | None, memory: Callable[[], Memory]
    ) -> None:
        self._channel = channel
        self._products = products
        self._memory = memory
        self._rounds = WorkerRounds(channel, WARM_UP, self._facts)

    def awaits(self, step: int) -> bool:
        """Whether a round ends with a step: the device must not work on the next one meanwhile."""
        return self._rounds.ends_with_next

    def __call__(self, step: DoneStep) -> None:
        """Note a step of the trainer.

        Raises:
            NoMoreStepsError: the comparison is over.
        """
        if self._rounds.warming_up:
            self._channel.stage("warming up")
        facts = {name: step.line[name] for name in ("step", "loss", "masked_tokens", "batch_digest")}
        self._rounds.step_done({"seconds": step.seconds, "batch_seconds": step.batch_seconds} | facts)

    def recipe_step_done(self, seconds: float) -> None:
        """The same for the Hugging Face recipe, of which only the time is known."""
        self._rounds.step_done({"seconds": seconds})

    def _facts(self, event: str) -> dict[str, Any]:
        memory = {"memory": self._memory()} if event == READY else {}
        rate = self._products() if self._products is not None else None
        return memory | {"products": [rate] if rate is not None else []}


def work(channel: Channel, directory: Path) -> None:
    """Train in rounds, then evaluate once more.

    Raises:
        MlmError: as training does.
    """
    from mlm_core.registry import find_engine

    given = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    config = Config.from_dict(given["config"])
    engine = find_engine(config.backend)
    channel.stage(f"preparing the text and importing {engine.modules[0]}")
    trainer = engine.trainer(replace(config, output_dir=str(directory / "run")))
    setup = trainer.setup
    assert isinstance(setup, TrainingSetup)
    channel.send(
        STARTED, work=_work(setup), versions=engine.versions(), device=engine.device_name(setup.config.device)
    )

    def memory() -> Memory:
        return {"process": peak_memory(), "device": engine.device_memory()}

    if given["hf_recipe"]:
        channel.stage("loading the model; the first step also compiles")
        with suppress(NoMoreStepsError):
            engine.train_hf_recipe(setup, VariantRounds(channel, None, memory).recipe_step_done)
        channel.send(ENDED)
        return
    channel.stage("loading the model")
    products = MatmulBenchmark(engine, setup, trainer.specs())
    channel.stage("evaluating the held-out text; then the first step, which also compiles")
    with suppress(NoMoreStepsError):
        trainer.train(on_step=VariantRounds(channel, products.rate, memory))
    channel.stage("evaluating the held-out text")
    operations = products.arithmetic.step
    held_out_before = _first_evaluation(directory / "run" / "metrics.jsonl")
    channel.send(
        ENDED,
        evaluation=_evaluation(trainer),
        held_out_before=held_out_before,
        operations_in_a_step=operations,
    )


def _first_evaluation(metrics: Path) -> float | None:
    with metrics.open(encoding="utf-8") as lines:
        line = json.loads(next(lines))
    return None if line["eval_loss"] is None else float(line["eval_loss"])


def _evaluation(trainer: Trainer) -> dict[str, Any]:
    """The held-out text once more, by now traced and warm."""
    begun = time.perf_counter()
    sums = trainer.evaluate()
    seconds = time.perf_counter() - begun
    tokens = trainer.setup.evaluation_keys.size * trainer.setup.test.blocks.shape[1]
    return sums.to_dict() | {"seconds": seconds, "tokens": tokens}


def _work(setup: TrainingSetup) -> dict[str, Any]:
    """What the variant is given, which must be the same for all."""
    config, shape = setup.config, setup.train.blocks.shape
    return {
        "model": setup.model.name,
        "text": setup.source.name,
        "fingerprint": setup.source.fingerprint,
        "blocks": {part: facts.digest for part, facts in setup.stores.items()},
        "block_size": int(shape[1]),
        "rows_in_a_step": setup.plan.batch_size,
        "tokens_in_a_step": setup.plan.batch_size * int(shape[1]),
        "precision": config.precision,
        "mlm_head": config.mlm_head,
        "compile": config.compile,
        "threads": config.threads,
        "dropout": has_dropout(setup.model.config),
    }


def main(directory: Path) -> int:
    """Work in this process; an error is said as any other event."""
    channel = Channel()
    end_with_parent()
    try:
        work(channel, directory)
    except MlmError as error:
        channel.send(FAILED, error=error.as_dict(), exit_code=error.exit_code)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
