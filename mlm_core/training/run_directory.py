"""A run's directory: what is in it and how it is written."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError
from mlm_core.hub.record import HUB_RECORD
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.weight_files import WEIGHTS
from mlm_core.system.files import digest_of, partial_name, write_atomically
from mlm_core.training.checkpoint import CHECKPOINTS
from mlm_core.training.results import TrainingResult
from mlm_core.training.run_lock import RunLock

_FACTS, METRICS = "run.json", "metrics.jsonl"
_DEFAULT_PARENT = "runs"


class RunDirectory:
    """The directory of a run that is being trained.

    A run that it replaces is put aside first, and removed only when the new one is complete: a run
    that fails loses nothing.

    Attributes:
        path: where the run is.
    """

    def __init__(self, path: Path, replaced: Path | None) -> None:
        self.path = path
        self._replaced = replaced
        self._lock = RunLock(path)

    @property
    def metrics(self) -> Path:
        """The run's `metrics.jsonl`."""
        return self.path / METRICS

    @classmethod
    def claim(cls, config: Config, backend: str) -> RunDirectory:
        """Make the directory of a new run; no two runs ever get the same one.

        Raises:
            RequestError: as `check_output`, or it cannot be written, or another process trains in it.
        """
        check_output(config)
        path = Path(config.output_dir) if config.output_dir is not None else None
        if path is not None and path.is_symlink():
            # A link stays; what it points to is put aside.
            path = path.resolve()
        try:
            if path is None:
                return cls(_make_free(Path(_DEFAULT_PARENT) / backend), None)
            replaced = None
            if config.overwrite and path.is_dir() and any(path.iterdir()):
                with RunLock(path):
                    replaced = _put_aside(path)
            path.mkdir(parents=True, exist_ok=True)
            # Fails where another run was faster.
            (path / _FACTS).open("x").close()
            return cls(path, replaced)
        except FileExistsError:
            raise _in_use(str(config.output_dir)) from None
        except OSError as error:
            raise RequestError(
                f"cannot be written ({error.strerror or error})",
                code="unwritable",
                option="--output-dir",
                value=config.output_dir or _DEFAULT_PARENT,
            ) from None

    @classmethod
    def reopen(cls, config: Config) -> RunDirectory | None:
        """The directory of a run that is asked to go on; None where there is none yet, or nothing asks."""
        path = Path(str(config.output_dir))
        return cls(path, None) if config.resume and (path / _FACTS).is_file() else None

    def __enter__(self) -> Self:
        """Keep other processes out.

        Raises:
            RequestError: another process trains in it.
        """
        self._lock.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        if error is None or self._replaced is None:
            return
        kept = f"the run before is in {self._replaced}"
        if isinstance(error, MlmError):
            error.fix = "; ".join(part for part in (error.fix, kept) if part)
        else:
            # An interrupt has no message of its own to add to.
            print(f"mlm: {kept}", file=sys.stderr)

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Write `run.json`: resolved config, versions, devices, data fingerprint, results."""
        content = json.dumps(facts, indent=2, allow_nan=False, default=str) + "\n"
        write_atomically(self.path / _FACTS, content.encode())

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the complete `run.json`, then remove the run that this one replaces."""
        files = sorted(path.name for path in self.path.iterdir() if path.is_file())
        digest = digest_of(self.path / WEIGHTS)
        self.write_facts({**facts, "files": files, "model_digest": digest})
        if self._replaced is not None:
            _remove_run(self._replaced)


def from_the_root(config: Config) -> Config:
    """The config with paths that do not depend on the current directory."""
    return replace(config, dataset=_absolute(config.dataset), model=_absolute(config.model))


def _absolute(name: str | None) -> str | None:
    """A path or glob from the root; a Hub name as it is."""
    if name is not None and (Path(name).exists() or any(sign in name for sign in "*?[")):
        # Not resolved: what a link is called tells the kind of file and the split.
        return str(Path(name).absolute())
    return name


def finished_result(config: Config) -> TrainingResult | None:
    """The result of the run in a config's directory, if it has finished and its model is as it was saved."""
    path = Path(str(config.output_dir))
    try:
        facts = read_facts(path) or {}
        if digest_of(path / WEIGHTS) != facts["model_digest"]:
            return None
        results = facts["results"]
        before, after = (MaskedSums(*sums) for sums in facts["evaluations"])
        steps, step = int(results["steps"]), int(results["model_step"])
        return TrainingResult(path, str(results["backend"]), steps, before, after, step)
    except (RequestError, OSError, KeyError, TypeError, ValueError):
        # Whatever is missing or wrong: it is not a finished run.
        return None


def check_output(config: Config) -> None:
    """Refuse an output directory that a new run may not use; nothing is written.

    Raises:
        RequestError: it holds a run and `overwrite` is off, holds something else, or holds the
            run's own data or model.
    """
    if config.resume and (config.output_dir is None or config.overwrite):
        message = "goes on with a run in --output-dir"
        fix = "leave --overwrite out" if config.overwrite else "name the run with --output-dir"
        raise RequestError(message, code="usage", option="--resume", fix=fix)
    path = Path(config.output_dir if config.output_dir is not None else _DEFAULT_PARENT)

    def refusal(message: str, code: str, fix: str) -> RequestError:
        return RequestError(message, code=code, option="--output-dir", value=str(path), fix=fix)

    if path.exists() and not path.is_dir():
        raise refusal("is not a directory", "not_a_directory", "choose another")
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise refusal(f"{existing} cannot be written to", "unwritable", "choose another")
    if config.output_dir is None or not path.is_dir() or not any(path.iterdir()):
        return
    if config.resume:
        # Raises where the record is damaged.
        if _is_run(path) or (read_facts(path) is not None and _is_run(path)):
            return
        raise refusal("is no run, so there is nothing to go on with", "not_a_run", "name a run's directory")
    if not config.overwrite:
        raise _in_use(config.output_dir)
    if not _is_run(path):
        message = "the directory holds something that is not a run, which --overwrite will not touch"
        raise refusal(message, "not_a_run", "choose another, or empty it yourself")
    for used in (config.dataset, config.model):
        if used is not None and path.resolve() in (Path(used).resolve(), *Path(used).resolve().parents):
            raise refusal(f"the run to be replaced holds {used}", "run_in_use", "choose another")


def read_facts(path: Path) -> dict[str, Any] | None:
    """The content of `run.json`; None where the directory is a model but no run of ours.

    Raises:
        RequestError: `run.json` is damaged.
    """
    try:
        facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        facts, reason = None, str(error)
    else:
        reason = "it is not the record of a run"
    if isinstance(facts, dict) and all(isinstance(facts.get(key), dict) for key in ("config", "data")):
        return facts
    raise RequestError(
        f"run.json cannot be read ({reason})", code="damaged_run", option="RUN", value=str(path)
    )


def config_of(facts: Mapping[str, Any], path: Path) -> Config:
    """The config in `run.json`.

    Raises:
        RequestError: it holds options this version does not know, or wrong values.
    """
    try:
        return Config.from_dict(facts["config"])
    except RequestError as error:
        raise RequestError(
            f"run.json holds a config this version cannot read ({error})",
            code="damaged_run",
            option="RUN",
            value=str(path),
        ) from None


def _in_use(output_dir: str) -> RequestError:
    run = _is_run(Path(output_dir))
    return RequestError(
        "holds a run" if run else "the directory is not empty",
        code="run_exists",
        option="--output-dir",
        value=output_dir,
        fix="go on with it with --resume, replace it with --overwrite, or choose another"
        if run
        else "choose another",
    )


def _is_run(path: Path) -> bool:
    """Whether everything says that we wrote this directory: a run's record, or a claim not yet filled in."""
    record = path / _FACTS
    if record.is_file() and record.stat().st_size == 0:
        return {item.name for item in path.iterdir()} <= {_FACTS, METRICS, partial_name(_FACTS)}
    try:
        facts = read_facts(path)
    except RequestError:
        return False
    return facts is not None and "mlm" in facts.get("versions", {})


def _make_free(wanted: Path) -> Path:
    """The first of NAME, NAME-2, NAME-3 ... that did not exist."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    candidate, number = wanted, 1
    while True:
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            number += 1
            candidate = wanted.with_name(f"{wanted.name}-{number}")


def _put_aside(path: Path) -> Path:
    aside = _make_free(path.with_name(f"{path.name}.replaced"))
    # Replaces the empty directory just made.
    path.replace(aside)
    return aside


def _remove_run(path: Path) -> None:
    """Remove the files a run recorded as its own; what else somebody put there stays."""
    try:
        recorded = (read_facts(path) or {}).get("files", [])
    except RequestError:
        recorded = []
    for name in {*recorded, METRICS, HUB_RECORD, _FACTS}:
        if Path(name).name == name:
            (path / name).unlink(missing_ok=True)
    for checkpoint in (path / CHECKPOINTS).glob("*step-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)
    for directory in (path / CHECKPOINTS, path):
        with suppress(OSError):
            # Fails, as it should, where something else is in it.
            directory.rmdir()
