"""Checkpoints: everything a run needs to resume, written completely or not at all.

RUN/checkpoints/step-00000100/  model.safetensors  optimizer.safetensors  state.json (written last)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlm_core.errors import RequestError, first_line
from mlm_core.model.initialization import ParameterSpecs, Weights
from mlm_core.model.weight_files import WEIGHTS, array_shapes, read_arrays, write_weights
from mlm_core.system.files import digest_of, sync_directory, write_atomically
from mlm_core.system.json_files import BadJsonError, as_object, read_json
from mlm_core.training.checkpoint_files import (
    OPTIMIZER,
    STATE,
    is_own_directory,
    put_in_place,
    remove_checkpoint,
    unreadable_checkpoint,
)

CHECKPOINTS, _NAME, _UNFINISHED = "checkpoints", "step-{:08}", ".step-"
_STEP = re.compile(r"step-\d{8,18}")
_BUILDING = re.compile(r"\.step-[0-9a-f]{32}(-before)?")
_FIRST, _SECOND = "exp_avg.", "exp_avg_sq."


@dataclass(frozen=True, eq=False)
class Moments:
    """AdamW's moments by canonical name, in canonical layout, float32."""

    first: Weights
    second: Weights


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A complete checkpoint: its files match the digests in its `state.json`.

    Attributes:
        path: the directory.
        facts: the content of `state.json`: `step`, `config`, the digest of each file and more.
    """

    path: Path
    facts: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Number of optimizer steps done."""
        return int(self.facts["step"])

    def weights(self) -> Weights:
        """Read the parameters, by canonical name.

        Raises:
            RequestError: the file is not one of weights, although its digest is the recorded one.
        """
        with self._reading(WEIGHTS):
            return read_arrays(self.path / WEIGHTS)

    def weights_for(self, specs: ParameterSpecs) -> Weights:
        """Read the parameters and check that they match a model's.

        Raises:
            RequestError: a name or a shape differs.
        """
        weights = self.weights()
        surplus = sorted(weights.keys() - {*specs.shapes, *specs.constants})
        if surplus:
            raise self._of_another_model(f"the model has no {surplus[0]}")
        for name, shape in specs.shapes.items():
            if name not in weights or weights[name].shape != shape:
                found = f"has shape {weights[name].shape}" if name in weights else "is missing"
                raise self._of_another_model(f"{name} {found}, the model has shape {shape}")
        return weights

    def _of_another_model(self, reason: str) -> RequestError:
        return RequestError(
            f"{self.path} is a checkpoint of another model: {reason}",
            code="shape_mismatch",
            option="--resume",
            fix="start a new run in another --output-dir",
        )

    def moments(self) -> Moments:
        """Read the optimizer's moments.

        Raises:
            RequestError: they are not the moments of the checkpoint's parameters.
        """
        with self._reading(OPTIMIZER):
            arrays = read_arrays(self.path / OPTIMIZER)
            moments = Moments(_below(arrays, _FIRST), _below(arrays, _SECOND))
            shapes = array_shapes(self.path / WEIGHTS)
            _check_moments(moments, shapes)
        return moments

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # The exception type of safetensors has no public name.
            raise RequestError(
                f"it does not hold what a checkpoint holds ({first_line(error)})",
                code="damaged_checkpoint",
                option="--resume",
                value=str(self.path / name),
                fix="move the checkpoint out of the run: --resume then takes the one before it",
            ) from None


@dataclass
class Checkpoints:
    """The checkpoints of a run.

    Attributes:
        run: the run's directory.
        keep: how many of the newest checkpoints are kept.
        damaged: the damage found so far, a message each, while looking for a complete checkpoint.
    """

    run: Path
    keep: int
    damaged: list[str] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """The directory of the checkpoints."""
        return self.run / CHECKPOINTS

    def save(
        self,
        step: int,
        weights: Mapping[str, Any],
        moments: Moments,
        facts: Mapping[str, Any],
        *,
        best: int | None = None,
    ) -> Path:
        """Write a checkpoint, move it into place, then remove the oldest checkpoints, but not step `best`.

        Raises:
            OSError: it cannot be written; the earlier checkpoints are unchanged.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        building = self.directory / f"{_UNFINISHED}{uuid4().hex}"
        building.mkdir()
        place = self.directory / _NAME.format(step)
        try:
            write_weights(building / WEIGHTS, weights)
            both = {_FIRST + name: array for name, array in moments.first.items()}
            both |= {_SECOND + name: array for name, array in moments.second.items()}
            write_weights(building / OPTIMIZER, both)
            hashes = {name: digest_of(building / name) for name in (WEIGHTS, OPTIMIZER)}
            state = {**facts, "step": step, "files": hashes}
            content = json.dumps(state | {"digest": _digest(state)}, indent=2)
            write_atomically(building / STATE, content.encode())
            sync_directory(building)
            put_in_place(building, place)
            sync_directory(self.directory)
        except OSError:
            remove_checkpoint(building)
            raise
        self._prune(place, best)
        return place

    def newest(self) -> Checkpoint | None:
        """The newest complete checkpoint; None: there is none.

        A damaged one, whose content has changed or is incomplete, is passed over and named in `damaged`.

        Raises:
            RequestError: a checkpoint cannot be read, so whether it is good is unknown.
        """
        self._recover()
        for path in reversed(self._all()):
            found = self._read(path, (WEIGHTS, OPTIMIZER))
            if found is not None:
                return found
        return None

    def newest_step(self) -> int | None:
        """The step of the newest checkpoint, by its name; None: there is none. Its content is not checked."""
        found = self._all()
        return _step_of(found[-1]) if found else None

    def weights_at(self, step: int) -> Weights | None:
        """The parameters of a step's checkpoint; None: they are missing or damaged.

        Raises:
            RequestError: they cannot be read.
        """
        found = self._read(self.directory / _NAME.format(step), (WEIGHTS,))
        return found.weights() if found is not None else None

    def remove_after(self, step: int) -> None:
        """Remove the checkpoints of all later steps."""
        for path in self._all():
            if _step_of(path) > step:
                remove_checkpoint(path)

    def remove_all(self) -> None:
        """Remove every checkpoint; files that are not a checkpoint's stay."""
        for path in [*self._all(), *self._unfinished()]:
            remove_checkpoint(path)

    def _read(self, path: Path, files: tuple[str, ...]) -> Checkpoint | None:
        try:
            facts = as_object(read_json(path / STATE))
            digest = facts.pop("digest", None)
            digests = facts.get("files")
            same = digest == _digest(facts) and facts.get("step") == _step_of(path)
            if not same or not isinstance(digests, dict):
                self.damaged.append(f"{path / STATE} has changed since it was written")
                return None
            wrong = [name for name in files if digest_of(path / name) != digests.get(name)]
        except (FileNotFoundError, NotADirectoryError) as error:
            self.damaged.append(f"{error.filename or path} is missing")
            return None
        except OSError as error:
            raise unreadable_checkpoint(error, path) from None
        except BadJsonError as error:
            self.damaged.append(f"{path / STATE}: {error}")
            return None
        if wrong:
            self.damaged.append(f"{path / wrong[0]} has changed since it was written")
            return None
        return Checkpoint(path, facts)

    def _recover(self) -> None:
        """Put back a checkpoint that a process was about to replace when it was killed."""
        for aside in self._unfinished():
            if aside.name.endswith("-before"):
                with suppress(OSError, BadJsonError, KeyError, TypeError, ValueError):
                    place = self.directory / _NAME.format(int(as_object(read_json(aside / STATE))["step"]))
                    if not place.exists():
                        aside.rename(place)

    def _unfinished(self) -> list[Path]:
        """What killed processes were building, or replacing."""
        found = self.directory.glob(f"{_UNFINISHED}*") if is_own_directory(self.directory) else []
        return [path for path in found if _BUILDING.fullmatch(path.name) and is_own_directory(path)]

    def _all(self) -> list[Path]:
        """All paths named like a checkpoint, in the order of their steps; other files are not the run's."""
        found = self.directory.glob("step-*") if is_own_directory(self.directory) else []
        own = (path for path in found if _STEP.fullmatch(path.name) and is_own_directory(path))
        return sorted(own, key=_step_of)

    def _prune(self, saved: Path, best: int | None) -> None:
        # Later checkpoints are damaged, or belong to a plan that has changed since.
        self.remove_after(_step_of(saved))
        kept = self._all()[-self.keep :]
        if best is not None:
            kept.append(self.directory / _NAME.format(best))
        # Unfinished checkpoints of killed processes are useless.
        for path in [*self._all(), *self._unfinished()]:
            if path not in kept:
                remove_checkpoint(path)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _digest(state: Mapping[str, Any]) -> str:
    """SHA-256 of the content of `state.json`, independent of its layout."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _check_moments(moments: Moments, shapes: Mapping[str, tuple[int, ...]]) -> None:
    if moments.first.keys() != moments.second.keys():
        raise ValueError("a first or a second moment is missing")
    for arrays in (moments.first, moments.second):
        for name, array in arrays.items():
            if shapes.get(name) != array.shape:
                raise ValueError(f"the moments of {name} have shape {array.shape}, not {shapes.get(name)}")


def _below(arrays: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
