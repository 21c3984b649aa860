"""A stand-in for the Hugging Face Hub: datasets kept in memory, served on this machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from threading import Thread
from typing import Any, Self
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]
"""Content by path."""

# A revision comes quoted, as in refs%2Fconvert%2Fparquet, so that it is one part of the path.
_INFO = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.+))?")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class HubServer(ThreadingHTTPServer):
    """Serves datasets while its `with` block lasts.

    Attributes:
        requests: what was asked for, as "GET /api/datasets/owner/name".
    """

    daemon_threads = True

    def __init__(
        self,
        repositories: Mapping[str, Mapping[str, Files]],
        gated: Collection[str] = (),
        refusing: Mapping[str, tuple[int, str]] | None = None,
    ) -> None:
        """Take a free port.

        Args:
            repositories: files by repository and revision.
            gated: repositories that anyone may learn of, but whose files are closed.
            refusing: repositories that answer everything with this status and error code.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.gated, self.refusing = repositories, gated, refusing or {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """What its clients need as HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def find(self, repository: str, revision: str) -> tuple[str, Files]:
        """The commit and the files of a revision, which may be given as its commit.

        Raises:
            _RefusalError: there is no such repository or revision, or it refuses.
        """
        if repository in self.refusing:
            raise _RefusalError(*self.refusing[repository])
        if repository not in self.repositories:
            raise _RefusalError(401, "RepoNotFound")
        for name, files in self.repositories[repository].items():
            commit = _digest(repr((repository, name, sorted(files.items()))).encode())
            if revision in (name, commit):
                return commit, files
        raise _RefusalError(404, "RevisionNotFound")


class _RefusalError(Exception):
    def __init__(self, status: int, code: str, commit: str = "") -> None:
        self.status, self.headers = status, {"X-Error-Code": code, "X-Repo-Commit": commit}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        address = urlsplit(self.path)
        try:
            for pattern, answer in ((_INFO, self._info), (_TREE, self._tree), (_FILE, self._file)):
                if found := pattern.fullmatch(address.path):
                    return answer(*(unquote(part or "") for part in found.groups()))
            raise _RefusalError(404, "RepoNotFound")
        except _RefusalError as refusal:
            self._send(refusal.status, b"", refusal.headers)

    do_HEAD = do_GET  # noqa: N815

    def _info(self, repository: str, revision: str) -> None:
        commit, _ = self.server.find(repository, revision or "main")
        self._send_json({"id": repository, "sha": commit})

    def _tree(self, repository: str, revision: str, folder: str) -> None:
        commit, files = self.server.find(repository, revision)
        start = f"{folder}/" if folder else ""
        inside = [entry for entry in _entries(files) if entry["path"].startswith(start)]
        if folder and not inside:
            raise _RefusalError(404, "EntryNotFound", commit)
        if "recursive=true" not in self.path.lower():
            inside = [entry for entry in inside if "/" not in entry["path"].removeprefix(start)]
        self._send_json(inside)

    def _file(self, repository: str, revision: str, path: str) -> None:
        commit, files = self.server.find(repository, revision)
        if repository in self.server.gated:
            raise _RefusalError(403, "GatedRepo")
        if path not in files:
            raise _RefusalError(404, "EntryNotFound", commit)
        headers = {"ETag": f'"{_digest(files[path])}"', "X-Repo-Commit": commit}
        self._send(200, files[path], headers)

    def _send_json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _entries(files: Files) -> list[dict[str, Any]]:
    """Folders and files as the Hub lists them."""
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."}
    listed: list[dict[str, Any]] = [
        {"type": "directory", "path": path, "oid": _digest(path.encode())} for path in sorted(folders)
    ]
    for path, content in files.items():
        listed.append({"type": "file", "path": path, "oid": _digest(content), "size": len(content)})
    return listed


def _digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
