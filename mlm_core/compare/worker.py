"""The worker process of a variant.

`python -m mlm_core.compare.worker DIRECTORY` trains with the options in DIRECTORY/config.json. It is a run
like any other, except that it waits before each round.
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

from mlm_core.compare.protocol import CONFIG, ENDED, FAILED, READY, ROUND, STARTED, Channel
from mlm_core.compare.roofline import MatmulBenchmark
from mlm_core.config.config import Config
from mlm_core.errors import MlmError
from mlm_core.model.dropout_rates import has_dropout
from mlm_core.system.machine import peak_memory
from mlm_core.trainer import Trainer
from mlm_core.training.loop import DoneStep
from mlm_core.training.setup import TrainingSetup

Memory = dict[str, float | None]

WARM_UP = 3
"""Steps before a variant is ready, in which it is traced and compiled and allocates its memory."""


class VariantRounds:
    """Divides a variant's steps into rounds.

    Args:
        channel: the connection to the comparison.
        products: measures operations per second of matrix products alone, once a round; None: not measured.
        memory: the peak in MB of the process, and of the device if there is one. It is read once, before
            `products` allocates memory of its own.
    """

    def __init__(
        self, channel: Channel, products: Callable[[], float | None] | None, memory: Callable[[], Memory]
    ) -> None:
        self._channel = channel
        self._products = products
        self._memory = memory
        self._steps: list[dict[str, Any]] = []
        self._due = WARM_UP
        self._event = READY

    def step_done(self, step: DoneStep) -> None:
        """Note a step; after the last step of a round, report and wait for the next round."""
        facts = {name: step.line[name] for name in ("step", "loss", "masked_tokens", "batch_digest")}
        self._noted({"seconds": step.seconds, "batch_seconds": step.batch_seconds} | facts)

    def recipe_step_done(self, seconds: float) -> None:
        """`step_done` for a training loop that reports only seconds."""
        self._noted({"seconds": seconds})

    def _noted(self, step: dict[str, Any]) -> None:
        self._steps.append(step)
        if len(self._steps) < self._due:
            return
        memory = {"memory": self._memory()} if self._event == READY else {}
        rate = self._products() if self._products is not None else None
        products = [rate] if rate is not None else []
        self._channel.send(self._event, steps=self._steps, products=products, **memory)
        self._event, self._steps = ROUND, []
        self._due = self._channel.receive_steps()
        if self._due == 0:
            # The training loop may be a framework's own, which only an exception ends.
            raise _ComparisonEndedError


class _ComparisonEndedError(Exception):
    pass


def work(channel: Channel, directory: Path) -> None:
    """Train in rounds, then evaluate once more.

    Raises:
        MlmError: as training does.
    """
    from mlm_core.registry import find_engine

    given = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    config = Config.from_dict(given["config"])
    engine = find_engine(config.backend)
    trainer = engine.trainer(replace(config, output_dir=str(directory / "run")))
    setup = trainer.setup
    assert isinstance(setup, TrainingSetup)
    channel.send(
        STARTED, work=_work(setup), versions=engine.versions(), device=engine.device_name(setup.config.device)
    )

    def memory() -> Memory:
        return {"process": peak_memory(), "device": engine.device_memory()}

    if given["hf_recipe"]:
        with suppress(_ComparisonEndedError):
            engine.train_hf_recipe(setup, VariantRounds(channel, None, memory).recipe_step_done)
        channel.send(ENDED)
        return
    products = MatmulBenchmark(engine, setup, trainer.specs())
    with suppress(_ComparisonEndedError):
        trainer.train(on_step=VariantRounds(channel, products.rate, memory).step_done)
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
    """Evaluate the held-out text once more; the evaluation is traced by now."""
    begun = time.perf_counter()
    sums = trainer.evaluate()
    seconds = time.perf_counter() - begun
    tokens = trainer.setup.evaluation_keys.size * trainer.setup.test.blocks.shape[1]
    return sums.as_results() | {"seconds": seconds, "tokens": tokens}


def _work(setup: TrainingSetup) -> dict[str, Any]:
    """The work of the variant, which must be the same for all."""
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
    """Work in this process; an error is sent as an event."""
    channel = Channel()
    try:
        work(channel, directory)
    except MlmError as error:
        channel.send(FAILED, error=error.as_dict(), exit_code=error.exit_code)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
