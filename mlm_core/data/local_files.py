"""Which local files a `--dataset` names: a file, a directory or a glob."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlm_core.data.errors import dataset_error
from mlm_core.data.file_kinds import KNOWN_KINDS, FileKind, kind_of, suffix_of
from mlm_core.errors import RunError
from mlm_core.system.os_errors import OF_THE_MACHINE, advice

_SPLIT_WORDS = {
    "train": {"train", "training"},
    "validation": {"validation", "valid", "val", "dev"},
    "test": {"test", "testing", "eval", "evaluation"},
}
_NOT_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_NOT_TEXT = {
    "readme", "license", "licence", "copying", "notice", "authors", "citation", "changelog", "changes",
    "contributing", "code_of_conduct", "security", "requirements",
}  # fmt: skip
"""Files that describe the dataset in their directory; of the second kind, by their names without suffixes."""

_IRREGULAR = "not regular files"


@dataclass(frozen=True)
class LocalFiles:
    """The files of a dataset, all of one kind.

    Attributes:
        paths: in the order in which they are read.
        kind: their kind.
        directory: the directory that was named, in which file names such as train and test tell the split;
            None: a file or a glob was named.
        left_out: what the directory or the glob names besides, and is not read, by reason.
    """

    paths: list[Path]
    kind: FileKind
    directory: Path | None
    left_out: Mapping[str, list[str]] = field(default_factory=dict)

    def by_split(self) -> dict[str, list[Path]]:
        """The files of each split: in a directory by the words in their names, elsewhere all are "train"."""
        splits: dict[str, list[Path]] = {}
        for path in self.paths:
            name = "train" if self.directory is None else _split_of(path.relative_to(self.directory))
            splits.setdefault(name, []).append(path)
        return splits


def listed(left_out: Mapping[str, list[str]]) -> list[str]:
    """What is not read, in words, one for each reason."""
    return [
        f"{why}: {', '.join(names[:3])}" + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        for why, names in left_out.items()
    ]


def _split_of(path: Path) -> str:
    words = set(re.split(r"[^a-z]+", str(path).lower()))
    return next((split for split, names in _SPLIT_WORDS.items() if words & names), "train")


def is_saved_dataset(dataset: str) -> bool:
    """Whether this is a directory written by `save_to_disk`."""
    # os.path accepts any name; pathlib raises an error for a name that is too long for a file.
    return any(
        os.path.isfile(os.path.join(dataset, name))  # noqa: PTH113, PTH118
        for name in ("dataset_dict.json", "state.json")
    )


def local_files(dataset: str) -> LocalFiles | None:
    """The files that a path or a glob names; None where it can only be a name on the Hub.

    Raises:
        RequestError: there is no such file; or a file is empty, unreadable or of an unknown kind; or the
            files are of several kinds.
        RunError: the machine failed, for example it has too many open files.
    """
    left_out: dict[str, list[str]] = {}
    paths, directory = _found(dataset, left_out)
    if paths is None:
        return None
    if not paths:
        if directory is not None:
            held = f", only {'; '.join(listed(left_out))}" if left_out else ""
            message = f"the directory holds no file of text{held}"
            raise dataset_error(dataset, message, "missing_file", KNOWN_KINDS)
        if left_out:
            raise dataset_error(dataset, "is not a file", "not_a_file", "give a file of text")
        fix = "give a file, a directory, a glob or a name on the Hub"
        raise dataset_error(dataset, "no such file", "missing_file", fix)
    kinds = {id(kind): kind for kind in (_checked(path) for path in paths)}
    if len(kinds) > 1:
        names = " and ".join(sorted({str(suffix_of(path)) for path in paths}))
        fix = "name one kind by a glob"
        raise dataset_error(dataset, f"holds files of several kinds, {names}", "mixed_kinds", fix)
    return LocalFiles(paths, next(iter(kinds.values())), directory, left_out)


def _found(dataset: str, left_out: dict[str, list[str]]) -> tuple[list[Path] | None, Path | None]:
    """The files and their directory; an empty list: there are none; None: the name is not a path.

    What a directory holds besides is added to `left_out`.
    """
    path = Path(dataset)
    try:
        if path.is_dir():
            return list(_data_in(path, left_out)), path
        if path.exists():
            return [path], None
    except OSError:
        # The name is too long, or otherwise impossible for a file.
        return [], None
    if any(sign in dataset for sign in "*?["):
        found = sorted(Path(name) for name in glob.glob(dataset, recursive=True))  # noqa: PTH207 - absolute, too
        files = [file for file in found if file.is_file()]
        if len(files) < len(found):
            left_out[_IRREGULAR] = [str(file) for file in found if not file.is_file()]
        return files, None
    looks_local = path.is_absolute() or dataset.startswith((".", "~")) or dataset.count("/") > 1
    return ([], None) if looks_local or suffix_of(path) else (None, None)


def _data_in(directory: Path, left_out: dict[str, list[str]]) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        why = _not_read(path, directory)
        if why is None:
            yield path
        elif why:
            left_out.setdefault(why, []).append(str(path.relative_to(directory)))


def _not_read(path: Path, directory: Path) -> str | None:
    """Why something in a directory is not read; "": it is a directory; None: it is read."""
    if path.is_dir():
        return "links to directories" if path.is_symlink() else ""
    if any(part.startswith((".", "__")) for part in path.relative_to(directory).parts):
        return "hidden files"
    if not path.is_file():
        return _IRREGULAR
    if path.name.lower() in _NOT_DATA or path.name.split(".")[0].lower() in _NOT_TEXT:
        return "files about the dataset"
    return None if suffix_of(path) is not None else "files of unknown kinds"


def _checked(path: Path) -> FileKind:
    """A file's kind, once the file is known to be readable and not empty."""
    kind = kind_of(path)
    if kind is None:
        raise dataset_error(str(path), "unknown kind of file", "unknown_format", KNOWN_KINDS)
    if not path.is_file():
        raise dataset_error(str(path), "is not a file", "not_a_file", "give a file of text")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        message = f"cannot be read ({error.strerror})"
        if error.errno in OF_THE_MACHINE:
            raise RunError(message, code="system_error", value=str(path), fix=advice(error)) from None
        raise dataset_error(str(path), message, "unreadable_file") from None
    if empty:
        fix = "give a file with at least two documents"
        raise dataset_error(str(path), "the file is empty", "empty_file", fix)
    return kind
