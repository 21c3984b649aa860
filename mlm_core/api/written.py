"""Files that a user asks for by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlm_core.config.arguments import as_name
from mlm_core.errors import RequestError, RunError
from mlm_core.system.files import write_atomically
from mlm_core.system.os_errors import advice, reason


def write_text_file(path: Any, content: str, ending: str) -> Path:
    """Write a text file, whole or not at all; return its path.

    Args:
        path: of the file.
        content: of the file.
        ending: that its name must have, for example ".svg".

    Raises:
        RequestError: it is no path, or has another ending.
        RunError: the file cannot be written.
    """
    place = Path(as_name("path", path))
    if place.suffix.lower() != ending:
        raise RequestError(
            f"must end in {ending}",
            code="invalid_choice",
            option="path",
            value=str(place),
            fix=f"for example {place.with_suffix(ending).name}",
        )
    try:
        write_atomically(place, content.encode())
    except OSError as error:
        raise RunError(
            f"cannot be written ({reason(error)})",
            code="unwritable",
            option="path",
            value=str(place),
            fix=advice(error),
        ) from None
    return place
