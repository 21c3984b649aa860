"""Which files of a run's directory are the run's own: known by name and content, never by being there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlm_core.errors import RequestError
from mlm_core.hub.model_files import CARD, CURVES
from mlm_core.hub.record import HUB_RECORD
from mlm_core.model.weight_files import WEIGHTS
from mlm_core.system.files import digest_of, is_partial
from mlm_core.training.checkpoint import CHECKPOINTS, Checkpoints
from mlm_core.training.run_record import RECORD, read_facts

METRICS = "metrics.jsonl"
REPORT = "report.html"
_ALWAYS = (METRICS, HUB_RECORD, RECORD)
"""Files that change while the run goes on, so that no digest of them is recorded."""

_KNOWN = frozenset(
    {
        *_ALWAYS, WEIGHTS, "tf_model.h5", "config.json", "generation_config.json", CARD, CURVES, REPORT,
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model",
    }
)  # fmt: skip
"""Names of files that runs write."""

Seen = Mapping[str, tuple[int, int, int]]
"""Files by name: inode, size and time of the last change in ns."""


def seen_files(directory: Path) -> Seen:
    """The files of a directory as they are now."""
    found = {}
    for entry in os.scandir(directory):
        if entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            found[entry.name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def written_since(directory: Path, before: Seen) -> dict[str, str]:
    """The digests, by name, of the files that were written since `before`."""
    now = seen_files(directory)
    return {
        name: digest_of(directory / name)
        for name in sorted(now)
        if name not in _ALWAYS and before.get(name) != now[name]
    }


def set_aside(path: Path) -> dict[str, Path]:
    """Rename files of others whose names the run is about to write; return where they are, by name.

    A run's own files are those that its record names with their digests.
    """
    own = _recorded(path)
    kept = {}
    for name in sorted(_KNOWN.difference(_ALWAYS)):
        place = path / name
        if not os.path.lexists(place) or (name in own and _is(path, name, own[name])):
            continue
        aside, number = place.with_name(f"{name}.kept"), 1
        while os.path.lexists(aside):
            number += 1
            aside = place.with_name(f"{name}.kept-{number}")
        place.rename(aside)
        kept[name] = aside
    return kept


def drop_same(path: Path, kept: Mapping[str, Path]) -> list[Path]:
    """Remove what was set aside and is the same as what the run wrote, as after a kill; return the others."""
    for name, aside in kept.items():
        with suppress(OSError):
            if digest_of(aside) == digest_of(path / name):
                aside.unlink()
    return [aside for aside in kept.values() if os.path.lexists(aside)]


def _facts_of(path: Path) -> Mapping[str, Any]:
    try:
        return read_facts(path) or {}
    except RequestError:
        return {}


def check_no_links(path: Path) -> None:
    """Check that a run that is to be resumed holds its files itself.

    By a link, a run from somebody else could write into another run of this user, or take its weights.

    Raises:
        RequestError: a file of the run, or one of its checkpoints, is a link.
    """
    checkpoints = path / CHECKPOINTS
    steps = sorted(checkpoints.glob("step-*")) if checkpoints.is_dir() else []
    inside = [file for step in steps if step.is_dir() for file in sorted(step.iterdir())]
    for place in (*(path / name for name in _ALWAYS), checkpoints, *steps, *inside):
        if place.is_symlink():
            raise RequestError(
                "is a link; a run that is resumed must hold its files itself",
                code="linked_run",
                option="--resume",
                value=str(place),
                fix="put what it leads to in its place, if it belongs to this run",
            )


def foreign_weights(path: Path, facts: Mapping[str, Any]) -> str | None:
    """What to say where a run's weights are not the ones that it saved; None: they are, or nobody can tell.

    Args:
        path: the run's directory.
        facts: in its `run.json`.
    """
    recorded = facts.get("model_digest")
    try:
        if recorded is None or digest_of(path / WEIGHTS) == recorded:
            return None
    except OSError:
        # Reading the model raises the error.
        return None
    return f"{path / WEIGHTS} has changed since the run saved it, so run.json is about other weights"


def remove_run(path: Path) -> list[str]:
    """Remove the files of a run, and return the names of the others, which stay.

    A file that was changed after the run wrote it stays, too.
    """
    for name in _own_files(path):
        with suppress(OSError):
            (path / name).unlink(missing_ok=True)
    with suppress(OSError):
        Checkpoints(path, 0).remove_all()
    for directory in (path / CHECKPOINTS, path):
        with suppress(OSError):
            # Fails, as intended, if other files are left.
            directory.rmdir()
    with suppress(OSError):
        return sorted(
            str(left.relative_to(path)) for left in path.rglob("*") if left.is_symlink() or not left.is_dir()
        )
    return []


def _recorded(path: Path) -> Mapping[str, str]:
    """The digests of a run's own files, by name.

    Early records have names alone, which prove nothing about what a file holds now: of those files, only the
    weights are known.
    """
    facts = _facts_of(path)
    files, weights = facts.get("files", {}), facts.get("model_digest")
    if isinstance(files, dict):
        return files
    return {WEIGHTS: weights} if isinstance(weights, str) else {}


def _own_files(path: Path) -> list[str]:
    own = [name for name, digest in _recorded(path).items() if _is(path, name, digest)]
    partial = [name for name in seen_files(path) if any(is_partial(name, known) for known in _KNOWN)]
    # The record last: until then it tells whose files these are.
    return [name for name in [*own, *partial, *_ALWAYS] if name != RECORD] + [RECORD]


def _is(path: Path, name: str, digest: str) -> bool:
    """Whether a file in this directory itself has this content."""
    try:
        return Path(name).name == name and not (path / name).is_symlink() and digest_of(path / name) == digest
    except OSError:
        return False
