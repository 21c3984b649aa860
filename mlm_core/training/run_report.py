"""The report of a run: a page about one training, made of its `run.json` and `metrics.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.report.metrics import Metrics, read_metrics
from mlm_core.system.files import write_atomically
from mlm_core.system.os_errors import reason
from mlm_core.training.run_files import METRICS, REPORT
from mlm_core.training.run_record import RECORD, read_facts


def report_of_run(run: str | Path) -> str:
    """The report of a run as HTML, made again from the files in its directory.

    What is missing in them, for example of a run that was interrupted, is left out.

    Args:
        run: the run's directory.

    Raises:
        RequestError: it holds no run, or its `run.json` is damaged.
    """
    from mlm_core.report.run_page import run_page

    path = Path(run)
    facts = read_facts(path)
    if facts is None:
        raise RequestError(
            f"holds no {RECORD}, so it is not the directory of a run",
            code="not_a_run",
            option="RUN",
            value=str(path),
            fix="check the name",
        )
    return run_page(facts, read_metrics(path / METRICS), path.absolute().name)


def write_report(path: Path, facts: Mapping[str, Any], metrics: Metrics, progress: Progress) -> None:
    """Write the report of a finished run; if that fails, say so: the run is complete without it.

    Args:
        path: the run's directory.
        facts: as `run.json` will have them.
        metrics: the course of the training.
        progress: says what failed.
    """
    # Whatever goes wrong with a page, for people to look at, the training is done.
    try:
        from mlm_core.report.run_page import run_page

        write_atomically(path / REPORT, run_page(facts, metrics, path.absolute().name).encode())
    except Exception as error:
        progress.warn(
            f"{path / REPORT} could not be written ({reason(error)}); the run is complete without it"
        )
