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

_FILES = ("report.json", "report.md", "report.html")
_DEFAULT = "comparison"


def check_report_directory(config: Config) -> Path:
    """The directory for the report; nothing is written yet.

    Raises:
        RequestError: it holds a report and `overwrite` is off, or it is not a directory.
    """
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
            fix="choose another, or give --overwrite",
        )
    return path


def write_report(directory: Path, content: Mapping[str, Any]) -> None:
    """Write `report.json`, `report.md` and `report.html`.

    Raises:
        OSError: they cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data, text, html = _FILES
    written = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(directory / data, written.encode())
    write_atomically(directory / text, markdown(content).encode())
    write_atomically(directory / html, page(content).encode())
