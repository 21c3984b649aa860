"""Which local files a `--dataset` names, and how each kind is read."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlm_core.data.compression import COMPRESSIONS
from mlm_core.data.errors import dataset_refusal


@dataclass(frozen=True)
class FileKind:
    """A kind of file, as the `datasets` library reads it.

    Attributes:
        builder: the library's name for it.
        options: what the library is told besides.
        suffixes: how such files are called.
    """

    builder: str
    options: Mapping[str, Any] = field(default_factory=dict)
    suffixes: tuple[str, ...] = ()


KINDS = (
    FileKind("text", {"encoding": "utf-8-sig"}, (".txt", ".text", ".md")),
    FileKind("csv", {}, (".csv", ".tsv")),
    FileKind("json", {}, (".json", ".jsonl", ".ndjson")),
    FileKind("parquet", {}, (".parquet",)),
    FileKind("arrow", {}, (".arrow",)),
)
_SUFFIXES = [suffix for kind in KINDS for suffix in kind.suffixes]
_SPLIT_WORDS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val", "dev"},
    "test": {"test", "testing", "eval", "evaluation"},
}
_NOT_DATA = {"readme.md", "license.txt", "dataset_info.json", "dataset_infos.json", "state.json"}
"""Files that describe a dataset in whose directory they are."""


@dataclass(frozen=True)
class LocalFiles:
    """The files a dataset is made of, all of one kind.

    Attributes:
        paths: in the order in which they are read.
        kind: how.
        directory: where they are, if a directory was named: there names like train and test count.
    """

    paths: list[Path]
    kind: FileKind
    directory: Path | None

    def by_split(self) -> dict[str, list[Path]]:
        """The files of each split: in a directory by the words in their names, elsewhere all are "train"."""
        splits: dict[str, list[Path]] = {}
        for path in self.paths:
            name = "train" if self.directory is None else _split_of(path.relative_to(self.directory))
            splits.setdefault(name, []).append(path)
        return splits


def _split_of(path: Path) -> str:
    words = set(re.split(r"[^a-z]+", str(path).lower()))
    return next((split for split, names in _SPLIT_WORDS.items() if words & names), "train")


def saved_dataset(dataset: str) -> bool:
    """Whether this is a directory written by `save_to_disk`."""
    # os.path takes any name; pathlib raises at one that is too long for a file.
    return any(
        os.path.isfile(os.path.join(dataset, name))  # noqa: PTH113, PTH118
        for name in ("dataset_dict.json", "state.json")
    )


def local_files(dataset: str) -> LocalFiles | None:
    """The files that a path or a glob names; None where it can only be a name on the Hub.

    Raises:
        RequestError: there is no such file, or one is empty, unreadable or of an unknown kind, or they
            are of several kinds.
    """
    paths, directory = _found(dataset)
    if paths is None:
        return None
    if not paths:
        if directory is not None:
            raise dataset_refusal(
                dataset, "the directory holds no file of text", "missing_file", _known_kinds()
            )
        fix = "give a file, a directory, a glob or a name on the Hub"
        raise dataset_refusal(dataset, "no such file", "missing_file", fix)
    kinds = {id(kind): kind for kind in (_checked(path) for path in paths)}
    if len(kinds) > 1:
        names = " and ".join(sorted({suffix for path in paths for suffix in _suffix(path)}))
        raise dataset_refusal(
            dataset, f"holds files of several kinds, {names}", "mixed_kinds", "name one by a glob"
        )
    return LocalFiles(paths, next(iter(kinds.values())), directory)


def _found(dataset: str) -> tuple[list[Path] | None, Path | None]:
    """Files and directory; no files: none there; None: no path at all."""
    path = Path(dataset)
    try:
        if path.is_dir():
            return [file for file in sorted(path.rglob("*")) if _is_data(file, path)], path
        if path.exists():
            return [path], None
    except OSError:
        # A name that no file can have.
        return [], None
    if any(sign in dataset for sign in "*?["):
        found = sorted(Path(name) for name in glob.glob(dataset, recursive=True))  # noqa: PTH207 - absolute, too
        return [file for file in found if file.is_file()], None
    looks_local = path.is_absolute() or dataset.startswith((".", "~")) or dataset.count("/") > 1
    return ([], None) if looks_local or _suffix(path) else (None, None)


def _is_data(path: Path, directory: Path) -> bool:
    hidden = any(part.startswith((".", "__")) for part in path.relative_to(directory).parts)
    return path.is_file() and not hidden and path.name.lower() not in _NOT_DATA and bool(_suffix(path))


def _suffix(path: Path) -> list[str]:
    """The suffix that tells the kind, below a compression's; none where the kind is unknown."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return [suffix for suffix in suffixes[-1:] if suffix in _SUFFIXES]


def _checked(path: Path) -> FileKind:
    suffix = _suffix(path)
    if not suffix:
        raise dataset_refusal(str(path), "unknown kind of file", "unknown_format", _known_kinds())
    if not path.is_file():
        raise dataset_refusal(str(path), "is not a file", "not_a_file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise dataset_refusal(str(path), f"cannot be read ({error.strerror})", "unreadable_file") from None
    if empty:
        raise dataset_refusal(
            str(path), "the file is empty", "empty_file", "give a file with at least two documents"
        )
    return next(kind for kind in KINDS if suffix[0] in kind.suffixes)


def _known_kinds() -> str:
    return f"names must end in one of {' '.join(_SUFFIXES)}, or these with {' '.join(COMPRESSIONS)}"
