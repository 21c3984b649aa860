"""Where prepared text is kept between runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlm_core.errors import RunError


def cache_directory() -> Path:
    """`$MLM_CACHE`; if unset, `mlm` in the user's cache directory; if not writable, in the temporary one."""
    chosen = os.environ.get("MLM_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    directory = Path(base) / "mlm"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / "mlm-cache"
    return directory if os.access(directory, os.W_OK) else Path(tempfile.gettempdir()) / "mlm-cache"


def unwritable_cache(error: OSError) -> RunError:
    """The error for prepared text that cannot be written."""
    return RunError(
        f"the prepared text cannot be written ({error.strerror or error})",
        code="cache_unwritable",
        option="MLM_CACHE",
        value=str(cache_directory()),
        fix="set MLM_CACHE to a writable directory with free space",
    )
