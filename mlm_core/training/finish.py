"""The end of a run: its model card, its report and its record."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from mlm_core.progress import Progress
from mlm_core.report.metrics import read_metrics
from mlm_core.training.filled_examples import as_facts
from mlm_core.training.results import TrainingResult
from mlm_core.training.run_card import write_run_card
from mlm_core.training.run_directory import RunDirectory
from mlm_core.training.run_report import write_report
from mlm_core.training.setup import TrainingSetup


def finish_run(
    setup: TrainingSetup,
    run: RunDirectory,
    result: TrainingResult,
    seconds: tuple[float, float],
    facts: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Write the card, the report and `run.json` of a run whose model is saved.

    Args:
        setup: of the run.
        run: its directory.
        result: of the training.
        seconds: of training and of making batches.
        facts: of the run before its first step; see `run_facts`.
        progress: shows what could not be written, and what was kept.

    Raises:
        RunError: see `RunDirectory.check_in_place`.
        OSError: the card or `run.json` cannot be written.
    """
    metrics = read_metrics(run.metrics)
    name = run.path.absolute().name
    write_run_card(run.path, setup, result.model_step, result.after, facts["versions"], metrics, name)
    training, batches = seconds
    progress.detail(f"{training:.1f} s of training, {batches:.2f} s of making batches")
    results = result.as_results() | result.after.to_dict() | {"model_step": result.model_step}
    results |= {"training_seconds": training, "batch_seconds": batches}
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    complete = {
        **facts,
        "results": results,
        "evaluations": [astuple(result.before), astuple(result.after)],
        "examples": as_facts(result.examples),
        "finished": now.isoformat(),
    }
    # As the record will be read: the same report can be made of it again.
    write_report(run.path, json.loads(json.dumps(complete, default=str)), metrics, progress)
    left = run.finish(complete)
    if left:
        progress.warn(f"not the run's own, so kept; moved to {', '.join(left)}")
