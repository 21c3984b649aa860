"""The report of a run: where it is, and where else to write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlm_core.api.written import write_text_file
from mlm_core.errors import RequestError


def report_path(run: Path) -> Path:
    """The report that training wrote.

    Raises:
        RequestError: there is none.
    """
    from mlm_core.training.run_files import REPORT

    path = run / REPORT
    if not path.is_file():
        raise RequestError(
            f"has no {REPORT}; a run gets one when it finishes",
            code="no_report",
            option="RUN",
            value=str(run),
            fix=f'make one of what there is elsewhere: run.report("{REPORT}")',
        )
    return path


def write_page(run: Path, path: Any) -> Path:
    """Write the report of a run to another place, made of the run's files; return the place.

    Raises:
        RequestError: there is no run, or the place's name does not end in .html.
        RunError: it cannot be written.
    """
    from mlm_core.training.run_report import report_of_run

    return write_text_file(path, report_of_run(run), ".html")
