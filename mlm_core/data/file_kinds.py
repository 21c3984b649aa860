"""Which kinds of file are read, and how `datasets` reads each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlm_core.data.compression import COMPRESSIONS


@dataclass(frozen=True)
class FileKind:
    """A kind of file, as `datasets` reads it.

    Attributes:
        builder: the name of the builder in `datasets`.
        options: further options of the builder.
        suffixes: the suffixes of such files, lower case.
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

KNOWN_KINDS = f"names must end in one of {' '.join(_SUFFIXES)}, or these with {' '.join(COMPRESSIONS)}"
"""What to do about a file of an unknown kind."""


def suffix_of(path: Path) -> str | None:
    """The suffix that tells a file's kind, without the suffix of a compression; None: unknown kind."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in _SUFFIXES else None


def kind_of(path: Path) -> FileKind | None:
    """A file's kind by its suffix; None: unknown kind."""
    suffix = suffix_of(path)
    return next((kind for kind in KINDS if suffix in kind.suffixes), None)
