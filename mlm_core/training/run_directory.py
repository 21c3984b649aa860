"""A run's directory: how it is claimed, written and replaced."""

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

    A run that it replaces is first moved aside, and removed only when the new run is complete: a run that
    fails loses nothing.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: Path, replaced: Path | None) -> None:
        self.path = path
        self._replaced = replaced
        self._lock = RunLock(path)

    @property
    def metrics(self) -> Path:
        """The path of the run's `metrics.jsonl`."""
        return self.path / METRICS

    @classmethod
    def claim(cls, config: Config, backend: str) -> RunDirectory:
        """Make the directory of a new run; no two runs ever get the same directory.

        Raises:
            RequestError: see `check_output`; or the directory cannot be written, or another process trains
                in it.
        """
        check_output(config)
        path = Path(config.output_dir) if config.output_dir is not None else None
        if path is not None and path.is_symlink():
            # The link stays; its target is moved aside.
            path = path.resolve()
        try:
            if path is None:
                return cls(_make_free(Path(_DEFAULT_PARENT) / backend), None)
            replaced = None
            if config.overwrite and path.is_dir() and any(path.iterdir()):
                with RunLock(path):
                    replaced = _put_aside(path)
            path.mkdir(parents=True, exist_ok=True)
            # Fails if another run was faster.
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
        """The directory of a run to resume; None without `--resume`, or if there is no run yet."""
        path = Path(str(config.output_dir))
        return cls(path, None) if config.resume and (path / _FACTS).is_file() else None

    def __enter__(self) -> Self:
        """Lock the directory against other processes.

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
        kept = f"the previous run is in {self._replaced}"
        if isinstance(error, MlmError):
            error.fix = "; ".join(part for part in (error.fix, kept) if part)
        else:
            # An interrupt has no message to extend.
            print(f"mlm: {kept}", file=sys.stderr)

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Write `run.json`: resolved config, versions, devices, data fingerprint, results."""
        content = json.dumps(facts, indent=2, allow_nan=False, default=str) + "\n"
        write_atomically(self.path / _FACTS, content.encode())

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the complete `run.json`, then remove the replaced run."""
        files = sorted(path.name for path in self.path.iterdir() if path.is_file())
        digest = digest_of(self.path / WEIGHTS)
        self.write_facts({**facts, "files": files, "model_digest": digest})
        if self._replaced is not None:
            _remove_run(self._replaced)
            self._replaced = None


def from_the_root(config: Config) -> Config:
    """The config with absolute paths."""
    return replace(config, dataset=_absolute(config.dataset), model=_absolute(config.model))


def _absolute(name: str | None) -> str | None:
    """A path or glob as an absolute path; a Hub name unchanged."""
    if name is not None and (Path(name).exists() or any(sign in name for sign in "*?[")):
        # Links are not resolved: the name of a link tells the kind of file and the split.
        return str(Path(name).absolute())
    return name


def finished_result(config: Config) -> TrainingResult | None:
    """The result of the run in a config's directory; None unless it finished and its model is unchanged."""
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
        # Anything missing or wrong means: not a finished run.
        return None


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
    path = Path(config.output_dir if config.output_dir is not None else _DEFAULT_PARENT)

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
        # Raises if the record is damaged.
        if _is_run(path) or (read_facts(path) is not None and _is_run(path)):
            return
        raise problem("not a run, so there is nothing to resume", "not_a_run", "name a run's directory")
    if not config.overwrite:
        raise _in_use(config.output_dir)
    if not _is_run(path):
        message = "the directory holds something that is not a run, and --overwrite replaces only runs"
        raise problem(message, "not_a_run", "choose another, or empty it yourself")
    for used in (config.dataset, config.model):
        if used is not None and path.resolve() in (Path(used).resolve(), *Path(used).resolve().parents):
            raise problem(f"the run to be replaced holds {used}", "run_in_use", "choose another")


def read_facts(path: Path) -> dict[str, Any] | None:
    """Read `run.json`; None if the directory has none.

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
        reason = "it does not describe a run"
    if isinstance(facts, dict) and all(isinstance(facts.get(key), dict) for key in ("config", "data")):
        return facts
    raise RequestError(
        f"run.json cannot be read ({reason})", code="damaged_run", option="RUN", value=str(path)
    )


def config_of(facts: Mapping[str, Any], path: Path) -> Config:
    """Read the config in the facts of `run.json`.

    Raises:
        RequestError: it has options unknown to this version, or invalid values.
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
        "the directory holds a run" if run else "the directory is not empty",
        code="run_exists",
        option="--output-dir",
        value=output_dir,
        fix="resume it with --resume, replace it with --overwrite, or choose another"
        if run
        else "choose another",
    )


def _is_run(path: Path) -> bool:
    """Whether `mlm` wrote this directory: it has a run's record, or only an empty, new record."""
    record = path / _FACTS
    if record.is_file() and record.stat().st_size == 0:
        return {item.name for item in path.iterdir()} <= {_FACTS, METRICS, partial_name(_FACTS)}
    try:
        facts = read_facts(path)
    except RequestError:
        return False
    return facts is not None and "mlm" in facts.get("versions", {})


def _make_free(wanted: Path) -> Path:
    """Make the first of NAME, NAME-2, NAME-3 ... that does not exist."""
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
    """Remove the files that a run recorded as its own; other files stay."""
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
            # Fails, as intended, if other files are left.
            directory.rmdir()
