"""The files of one checkpoint: how it is put in place and removed, and why it cannot be read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlm_core.errors import RequestError
from mlm_core.model.weight_files import WEIGHTS
from mlm_core.system.files import is_partial
from mlm_core.system.os_errors import advice, reason

OPTIMIZER, STATE = "optimizer.safetensors", "state.json"


def is_own_directory(path: Path) -> bool:
    """Whether this is a directory itself: what a link leads to is not the run's."""
    return path.is_dir() and not path.is_symlink()


def put_in_place(building: Path, place: Path) -> None:
    """Move a directory into place; a directory that is there is removed only after the move."""
    aside = building.with_name(f"{building.name}-before")
    if place.exists():
        place.rename(aside)
    try:
        building.rename(place)
    except OSError:
        if aside.exists():
            aside.rename(place)
        raise
    remove_checkpoint(aside)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint's files; the directory stays if somebody has put another file into it."""
    if not is_own_directory(path):
        return
    with suppress(OSError):
        # The state first: without it, what is left is no checkpoint.
        for name in (STATE, WEIGHTS, OPTIMIZER):
            (path / name).unlink(missing_ok=True)
        for left in path.iterdir():
            if any(is_partial(left.name, name) for name in (STATE, WEIGHTS, OPTIMIZER)):
                left.unlink()
        path.rmdir()


def unreadable_checkpoint(error: OSError, path: Path) -> RequestError:
    """Error: a checkpoint is there, but whether it is good is unknown."""
    return RequestError(
        f"a checkpoint cannot be read ({reason(error)}), so where to resume is unknown; nothing was changed",
        code="unreadable_checkpoint",
        option="--resume",
        value=str(error.filename or path),
        fix=advice(error) or "make it readable, or move it out of the run if the run shall resume without it",
    )
