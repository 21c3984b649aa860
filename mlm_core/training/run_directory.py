"""A run's directory: how it is claimed, written and replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlm_core.config.config import Config
from mlm_core.errors import MlmError, RequestError, RunError
from mlm_core.model.weight_files import WEIGHTS
from mlm_core.progress import show
from mlm_core.system.files import digest_of, make_durable, write_atomically
from mlm_core.training.output_directory import (
    ATTEMPTS,
    DEFAULT_PARENT,
    check_output,
    in_use,
    is_run,
    unwritable_place,
)
from mlm_core.training.results import TrainingResult, recorded_result
from mlm_core.training.run_files import (
    METRICS,
    Seen,
    check_no_links,
    drop_same,
    remove_run,
    seen_files,
    set_aside,
    written_since,
)
from mlm_core.training.run_lock import NoLock, RunLock
from mlm_core.training.run_place import make_free, remove_abandoned, replace_run
from mlm_core.training.run_record import RECORD, read_facts


class RunDirectory:
    """The directory of a run that is being trained, locked against other processes.

    A run that it replaces is first moved aside, and removed only when the new run is complete: a run that
    fails loses nothing.

    Args:
        lock: on the directory; held if the directory is new.
        path: the directory.
        replaced: where the replaced run is; None: there was none.

    Attributes:
        path: the directory.
        writes: whether this process writes in it; of several ranks, only the first does.
    """

    def __init__(self, lock: RunLock, path: Path, replaced: Path | None) -> None:
        self.path = path
        self.writes = not isinstance(lock, NoLock)
        self._replaced = replaced
        self._lock = lock
        self._before: Seen = {}
        self._set_aside: dict[str, Path] = {}

    @property
    def metrics(self) -> Path:
        """The path of the run's `metrics.jsonl`."""
        return self.path / METRICS

    @classmethod
    def claim(cls, config: Config, backend: str) -> RunDirectory:
        """Make and lock the directory of a new run; no two runs ever get the same directory.

        Raises:
            RequestError: see `check_output`; or the directory cannot be written, or another process trains
                in it.
        """
        check_output(config)
        # An absolute path may hold what no record may. Refused while nothing is there.
        from_the_root(config)
        path = Path(config.output_dir) if config.output_dir is not None else None
        if path is not None and path.is_symlink():
            # The link stays; its target is moved aside.
            path = path.resolve()
        try:
            if path is None:
                path = make_free(Path(DEFAULT_PARENT) / backend)
            for _ in range(ATTEMPTS):
                claimed = cls._attempt(path, config.overwrite)
                if claimed is not None:
                    remove_abandoned(path)
                    return claimed
        except FileExistsError:
            pass
        except OSError as error:
            raise unwritable_place(error, config) from None
        raise in_use(str(path))

    @classmethod
    def shared(cls, path: Path) -> RunDirectory:
        """The directory of a run in which another rank writes; this one only reads."""
        return cls(NoLock(path), path, None)

    @classmethod
    def _attempt(cls, path: Path, overwrite: bool) -> RunDirectory | None:
        """Claim the directory; None: another process was faster to replace it.

        Raises:
            RequestError: another process trains in it.
            FileExistsError: it holds something.
            OSError: it cannot be written.
        """
        path.mkdir(parents=True, exist_ok=True)
        lock = RunLock(path)
        try:
            lock.take()
            if not lock.is_in_place():
                raise FileNotFoundError
            if any(path.iterdir()):
                if not overwrite or not is_run(path):
                    raise FileExistsError
                claimed = cls(*replace_run(path))
                lock.release()
                return claimed
            # In the directory that is locked. If another process has removed it, this fails.
            lock.create(RECORD)
            return cls(lock, path, None)
        except FileNotFoundError:
            lock.release()
            return None
        except BaseException:
            lock.release()
            raise

    @classmethod
    def reopen(cls, config: Config) -> RunDirectory | None:
        """The directory of a run to resume; None without `--resume`, or if there is no run yet.

        Raises:
            RequestError: a file of the run is a link.
        """
        path = Path(str(config.output_dir))
        if config.resume:
            check_no_links(path)
        return cls(RunLock(path), path, None) if config.resume and (path / RECORD).is_file() else None

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
            show(f"mlm: {kept}")

    def check_in_place(self) -> None:
        """Check that the path still leads to the locked directory, before something is written by path.

        Raises:
            RunError: the directory was moved, removed or replaced; what is at its path now is not this run's.
        """
        if not self._lock.is_in_place():
            raise self.moved()

    def moved(self) -> RunError:
        """Error: the directory is no longer at its path."""
        return RunError(
            "the run's directory was moved, removed or replaced while it trained, so the run stops",
            code="run_moved",
            option="--output-dir",
            value=str(self.path),
            fix="--resume with the directory's new place as --output-dir continues from its checkpoint",
        )

    def left_behind(self) -> list[Path]:
        """Runs that earlier processes had moved aside when they were killed."""
        if not self.writes:
            return []
        found = sorted(self.path.absolute().parent.glob(f"{escape(self.path.absolute().name)}.replaced*"))
        own = self._replaced.absolute() if self._replaced is not None else None
        return [path for path in found if path != own and (path / RECORD).is_file()]

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Write `run.json`: resolved config, versions, devices, data fingerprint, results.

        Raises:
            RunError: see `check_in_place`.
        """
        if not self.writes:
            return
        self.check_in_place()
        content = json.dumps(facts, indent=2, allow_nan=False, default=str) + "\n"
        write_atomically(self.path / RECORD, content.encode())

    def before_saving(self) -> None:
        """The model's files are written next: what is in the directory now was not written by the run.

        A file of somebody else with a name that the run needs is renamed.

        Raises:
            RunError: see `check_in_place`.
        """
        self.check_in_place()
        self._set_aside = set_aside(self.path)
        self._before = seen_files(self.path)

    def finish(self, facts: Mapping[str, Any]) -> list[str]:
        """Write the complete `run.json`, then remove the replaced run.

        Returns:
            Files that are not the run's own, and where they are now: in the replaced run's directory, or
            renamed.
        """
        files = written_since(self.path, self._before)
        make_durable(self.path, files)
        self.write_facts({**facts, "files": files, "model_digest": digest_of(self.path / WEIGHTS)})
        make_durable(self.path, [RECORD])
        kept = [str(path) for path in drop_same(self.path, self._set_aside)]
        if self._replaced is None:
            return kept
        replaced, self._replaced = self._replaced, None
        return [*kept, *(str(replaced / name) for name in remove_run(replaced))]


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
        return recorded_result(path, facts)
    except (RequestError, OSError, KeyError, TypeError, ValueError):
        # Anything missing or wrong means: not a finished run.
        return None
