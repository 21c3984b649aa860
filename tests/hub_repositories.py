"""What the stand-in for the Hub stores: repositories with their commits, and the rights of users."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

Files = Mapping[str, bytes]
"""Content by path."""

_LARGE = (".safetensors", ".bin", ".h5", ".parquet")
"""Names that the Hub keeps in its large file storage."""


class RefusalError(Exception):
    """The answer to a request is an error."""

    def __init__(self, status: int, code: str = "", message: str = "", commit: str = "") -> None:
        self.status, self.message = status, message or code
        self.headers = {"X-Error-Code": code, "X-Error-Message": self.message, "X-Repo-Commit": commit}


@dataclass(frozen=True)
class User:
    """The owner of a token."""

    name: str
    role: str = "write"
    organizations: tuple[str, ...] = ()

    def owns(self, repository: str) -> bool:
        return repository.split("/")[0] in (self.name, *self.organizations)


@dataclass(frozen=True)
class Commit:
    """The files of a repository at one moment."""

    files: Files
    message: str = ""
    parent: str = ""

    @property
    def oid(self) -> str:
        return digest(repr((self.parent, self.message, sorted(self.files.items()))).encode())


@dataclass
class Repository:
    """A model or a dataset."""

    kind: str
    private: bool = False
    gated: bool = False
    branches: dict[str, list[Commit]] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, revisions: Mapping[str, Files], **facts: bool) -> Repository:
        return cls(kind, branches={name: [Commit(files)] for name, files in revisions.items()}, **facts)

    def at(self, revision: str) -> Commit:
        """The newest commit of a branch, or the commit with this oid."""
        for name, commits in self.branches.items():
            if name == revision:
                return commits[-1]
            for commit in commits:
                if commit.oid == revision:
                    return commit
        raise RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def commit(
        self, branch: str, message: str, parent: str | None, changed: Mapping[str, bytes | None]
    ) -> Commit:
        """Add a commit; a file whose content is None is removed."""
        head = self.at(branch)
        if parent is not None and parent != head.oid:
            raise RefusalError(412, "", "A commit has happened since. Please refresh and try again.")
        files = {path: content for path, content in {**head.files, **changed}.items() if content is not None}
        added = Commit(files, message, head.oid)
        self.branches[branch].append(added)
        return added


def is_large(path: str, size: int) -> bool:
    """Whether the Hub keeps a file in its large file storage."""
    return path.endswith(_LARGE) or size > 10_000_000


def entries(files: Files) -> list[dict[str, Any]]:
    """Folders and files as the Hub lists them."""
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."}
    listed: list[dict[str, Any]] = [
        {"type": "directory", "path": path, "oid": digest(path.encode())} for path in sorted(folders)
    ]
    for path, content in files.items():
        entry: dict[str, Any] = {"type": "file", "path": path, "oid": blob_id(content), "size": len(content)}
        if is_large(path, len(content)):
            version = "https://git-lfs.github.com/spec/v1"
            pointer = f"version {version}\noid sha256:{sha256(content)}\nsize {len(content)}\n"
            entry["oid"] = blob_id(pointer.encode())
            entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": len(pointer)}
        listed.append(entry)
    return listed


def blob_id(content: bytes) -> str:
    """The git object id of a file with this content."""
    return digest(b"blob %d\0" % len(content) + content)


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
