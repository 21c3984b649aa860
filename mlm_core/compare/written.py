"""The directory of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.compare.page import page
from mlm_core.compare.tables import markdown
from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.system.files import write_atomically
from mlm_core.training.run_place import make_free

_FILES = ("report.json", "report.md", "report.html")
_DEFAULT = "comparison"


def check_report_directory(config: Config) -> Path | None:
    """The directory for the report; None: a new one is made when there is a report. Nothing is written yet.

    Raises:
        RequestError: it holds a report and `overwrite` is off, or it is not a directory.
    """
    if config.output_dir is None and not config.overwrite:
        return None
    path = Path(config.output_dir or _DEFAULT)
    if path.exists() and not path.is_dir():
        raise RequestError(
            "is not a directory",
            code="not_a_directory",
            option="--output-dir",
            value=str(path),
            fix="choose another",
        )
    if any((path / name).exists() for name in _FILES) and not config.overwrite:
        raise RequestError(
            "already holds a report",
            code="output_in_use",
            option="--output-dir",
            value=str(path),
            fix="choose another, leave it out, or give --overwrite",
        )
    return path


def write_report(directory: Path | None, content: Mapping[str, Any]) -> Path:
    """Write `report.json`, `report.md` and `report.html`; returns their directory.

    Args:
        directory: of the report; None: `comparison`, or the first of comparison-2, comparison-3 ... that is
            free.
        content: of the report.

    Raises:
        OSError: they cannot be written.
    """
    data, text, html = _FILES
    files = {
        data: json.dumps(content, indent=2, allow_nan=False) + "\n",
        text: markdown(content),
        html: page(content),
    }
    place = directory or make_free(Path(_DEFAULT))
    place.mkdir(parents=True, exist_ok=True)
    for name, written in files.items():
        write_atomically(place / name, written.encode())
    return place
