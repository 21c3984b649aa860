"""The worker of one engine in a comparison: it computes the first batch, trains, and saves all results.

`python -m mlm_core.parity.worker DIRECTORY` uses the config in DIRECTORY/config.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.config.config import Config
from mlm_core.engine import Engine
from mlm_core.errors import MlmError
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.initialization import Weights
from mlm_core.model.weight_files import read_arrays, read_weights, write_weights
from mlm_core.system.child_processes import end_with_parent

CONFIG = "config.json"
_START, _RUN, _FIRST_BATCH, _SUMS = "start", "run", "first_batch.safetensors", "sums.json"
_METRICS = "metrics.jsonl"
_LOGITS, _GRADIENT = "logits", "gradient."


@dataclass(frozen=True, eq=False)
class EngineResult:
    """The results of an engine.

    Attributes:
        backend: the name of the engine.
        start, end: parameters before the first and after the last step, by canonical name.
        sums: loss sums of the first batch, without dropout.
        logits: of the first batch, `[batch, slots, vocabulary]`.
        gradients: of the first batch, by canonical name.
        steps: the lines of optimizer steps in `metrics.jsonl`.
        evaluations: the lines of evaluations in `metrics.jsonl`.
    """

    backend: str
    start: Weights
    end: Weights
    sums: MaskedSums
    logits: NDArray[np.float32]
    gradients: Weights
    steps: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]


def work(engine: Engine, config: Config, directory: Path) -> None:
    """Compute and save an engine's results in a directory that holds none yet.

    Raises:
        MlmError: as training does.
    """
    trainer = engine.trainer(replace(config, output_dir=str(directory / _RUN), verify_batches=True))
    first_batch = trainer.first_batch()
    trainer.save(directory / _START)
    gradients = {_GRADIENT + name: array for name, array in first_batch.gradients.items()}
    write_weights(directory / _FIRST_BATCH, {_LOGITS: first_batch.logits, **gradients})
    (directory / _SUMS).write_text(json.dumps(vars(first_batch.sums)), encoding="utf-8")
    trainer.train()


def steps_done(directory: Path) -> int:
    """The number of steps that a worker has done so far in its directory."""
    try:
        return (directory / _RUN / _METRICS).read_bytes().count(b'"batch_digest"')
    except OSError:
        return 0


def read_result(backend: str, directory: Path) -> EngineResult:
    """Read the results that `work` saved in a directory."""
    arrays = read_arrays(directory / _FIRST_BATCH)
    lines = (directory / _RUN / _METRICS).read_text(encoding="utf-8").splitlines()
    metrics = [json.loads(line) for line in lines]
    return EngineResult(
        backend=backend,
        start=read_weights(directory / _START),
        end=read_weights(directory / _RUN),
        sums=MaskedSums(**json.loads((directory / _SUMS).read_text(encoding="utf-8"))),
        logits=arrays.pop(_LOGITS),
        gradients={name.removeprefix(_GRADIENT): array for name, array in arrays.items()},
        steps=[line for line in metrics if "loss" in line],
        evaluations=[line for line in metrics if "eval_loss" in line],
    )


def main(directory: Path) -> int:
    """Work in this process; an error is printed as one JSON object on stdout."""
    from mlm_core.registry import find_engine

    end_with_parent()
    try:
        config = Config.from_dict(json.loads((directory / CONFIG).read_text(encoding="utf-8")))
        work(find_engine(config.backend), config, directory)
    except MlmError as error:
        print(json.dumps(error.as_dict()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
