"""Whether a run may use its output directory; nothing is written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.system.files import is_partial
from mlm_core.system.os_errors import advice, reason
from mlm_core.training.run_files import METRICS
from mlm_core.training.run_lock import RunLock
from mlm_core.training.run_record import RECORD, read_facts

DEFAULT_PARENT = "runs"
ATTEMPTS = 100
"""To claim a directory that other processes claim and replace at the same time."""


def check_output(config: Config) -> None:
    """Check that a run may use its output directory; nothing is written.

    Raises:
        RequestError: the directory cannot be written; it holds a run and neither `overwrite` nor `resume` is
            set; it holds something else; or the run to replace holds the new run's data or model.
    """
    if config.resume and (config.output_dir is None or config.overwrite):
        message = "cannot be combined with --overwrite" if config.overwrite else "requires --output-dir"
        fix = "leave --overwrite out" if config.overwrite else "name the run with --output-dir"
        raise RequestError(message, code="usage", option="--resume", fix=fix)
    path = Path(config.output_dir if config.output_dir is not None else DEFAULT_PARENT)
    for _ in range(ATTEMPTS):
        before = _identity(path)
        try:
            return _check_place(config, path)
        except FileNotFoundError:
            # It has just been moved away. Claiming it will tell.
            return None
        except RequestError:
            # If another process is just replacing it, what was found is of no directory.
            if _identity(path) == before:
                raise
        except OSError as error:
            # For example a name that is too long, or a directory that may not be looked into.
            raise unwritable_place(error, config) from None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_place(config: Config, path: Path) -> None:
    def problem(message: str, code: str, fix: str) -> RequestError:
        return RequestError(message, code=code, option="--output-dir", value=str(path), fix=fix)

    if path.exists() and not path.is_dir():
        raise problem("not a directory", "not_a_directory", "choose another")
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise problem(f"{existing} cannot be written to", "unwritable", "choose another")
    if config.output_dir is None or not path.is_dir() or not any(path.iterdir()):
        return
    if config.resume:
        # Raises if the record is damaged or cannot be read.
        if is_run(path) or (read_facts(path) is not None and is_run(path)):
            return
        raise problem("not a run, so there is nothing to resume", "not_a_run", "name a run's directory")
    if not config.overwrite:
        raise in_use(config.output_dir)
    if not is_run(path):
        _check_readable(path)
        message = "the directory holds something that is not a run, and --overwrite replaces only runs"
        raise problem(message, "not_a_run", "choose another, or empty it yourself")
    for used in (config.dataset, config.model):
        if used is not None and path.resolve() in (Path(used).resolve(), *Path(used).resolve().parents):
            raise problem(f"the run to be replaced holds {used}", "run_in_use", "choose another")


def _check_readable(path: Path) -> None:
    try:
        read_facts(path)
    except RequestError as error:
        if error.code == "unreadable_run":
            raise


def in_use(output_dir: str) -> RequestError:
    """Error: the output directory holds something already."""
    run = is_run(Path(output_dir))
    if run:
        try:
            with suppress(OSError), RunLock(Path(output_dir)):
                pass
        except RequestError as error:
            # Another process is training in it.
            return error
    return RequestError(
        "the directory holds a run" if run else "the directory is not empty",
        code="run_exists",
        option="--output-dir",
        value=output_dir,
        fix="resume it with --resume, replace it with --overwrite, or choose another"
        if run
        else "choose another",
    )


def is_run(path: Path) -> bool:
    """Whether `mlm` wrote this directory: it has a run's record, or only an empty, new record."""
    record = path / RECORD
    try:
        if record.is_file() and record.stat().st_size == 0:
            return all(
                item.name in (RECORD, METRICS) or is_partial(item.name, RECORD) for item in path.iterdir()
            )
    except FileNotFoundError:
        return False
    try:
        facts = read_facts(path)
    except RequestError:
        return False
    return facts is not None and "mlm" in facts.get("versions", {})


def unwritable_place(error: OSError, config: Config) -> RequestError:
    """Error: the output directory cannot be used."""
    return RequestError(
        f"cannot be written ({reason(error)})",
        code="unwritable",
        option="--output-dir",
        value=config.output_dir or DEFAULT_PARENT,
        fix=advice(error) or "choose another",
    )
