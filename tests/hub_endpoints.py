"""The endpoints of the stand-in for the Hub: what each request does, and its answer."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from hub_repositories import RefusalError, Repository, User, blob_id, entries, is_large, sha256

if TYPE_CHECKING:
    from hub_server import HubServer

# Clients quote a revision, for example refs%2Fconvert%2Fparquet, so that it is one part of the path.
_REPOSITORY = r"([^/]+/[^/]+)"
ROUTES = {
    "whoami": ("GET", r"/api/whoami-v2"),
    "create": ("POST", r"/api/repos/create"),
    "validate": ("POST", r"/api/validate-yaml"),
    "info": ("GET", rf"/api/(models|datasets)/{_REPOSITORY}(?:/revision/([^/]+))?"),
    "tree": ("GET", rf"/api/(models|datasets)/{_REPOSITORY}/tree/([^/]+)(?:/(.+))?"),
    "preupload": ("POST", rf"/api/(models)/{_REPOSITORY}/preupload/([^/]+)"),
    "commit": ("POST", rf"/api/(models)/{_REPOSITORY}/commit/([^/]+)"),
    "batch": ("POST", rf"/{_REPOSITORY}\.git/info/lfs/objects/batch"),
    "put": ("PUT", rf"/lfs/{_REPOSITORY}/([0-9a-f]+)"),
    "verify": ("POST", rf"/lfs/{_REPOSITORY}/([0-9a-f]+)"),
    "storage": ("GET", r"/storage/([0-9a-f]+)"),
    "resolve": ("GET", rf"/(datasets/)?{_REPOSITORY}/resolve/([^/]+)/(.+)"),
}
"""Method and path of every endpoint, by its name."""


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        method = "GET" if self.command == "HEAD" else self.command
        path = urlsplit(self.path).path
        for point, (needed, pattern) in ROUTES.items():
            if method == needed and (found := re.fullmatch(pattern, path)):
                parts = [unquote(part or "") for part in found.groups()]
                return self._meet(point, lambda point=point, parts=parts: getattr(self, f"_{point}")(*parts))
        self._answer(lambda: _refuse(404, "RepoNotFound"))

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _meet(self, point: str, act: Callable[[], None]) -> None:
        """Answer a request, or fail as a fault says."""
        kind = self.server.fault(point)
        if kind in ("cut", "hang"):
            if kind == "hang":
                self.server.closing.wait(60)
            return self._cut()
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if isinstance(kind, int):
            return self._answer(lambda: _refuse(kind, "", "on demand"))
        if kind == "garbage":
            return self._send(200, b"<html>not today</html>", {"Content-Type": "text/html"})
        if kind == "slow":
            self.server.closing.wait(1.5)
        if kind == "cut after":
            answered, self._send = [], lambda *answer: answered.append(answer)  # type: ignore[method-assign]
            self._answer(act)
            assert answered and answered[0][0] == 200, answered
            return self._cut()
        self._answer(act)

    def _answer(self, act: Callable[[], None]) -> None:
        try:
            act()
        except RefusalError as refusal:
            self._send_json({"error": refusal.message}, refusal.status, refusal.headers)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _user(self) -> User | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        if token not in self.server.users:
            raise RefusalError(401, "", "Invalid user token.")
        return self.server.users[token]

    def _writable(self, name: str) -> Repository:
        user = self._user()
        repository = self.server.find("models", name, user)
        if user is None or not user.owns(name) or user.role != "write":
            raise RefusalError(403, "", f"You don't have the rights to write to {name}")
        return repository

    def _whoami(self) -> None:
        user = self._user()
        if user is None:
            raise RefusalError(401, "", "Invalid user token.")
        organizations = [{"name": name, "roleInOrg": user.role} for name in user.organizations]
        access = {"type": "access_token", "accessToken": {"role": user.role}}
        self._send_json({"type": "user", "name": user.name, "orgs": organizations, "auth": access})

    def _create(self) -> None:
        user, asked = self._user(), json.loads(self._body)
        assert asked.get("type", "model") == "model"
        if user is None:
            raise RefusalError(401, "", "Invalid user token.")
        name = f"{asked.get('organization') or user.name}/{asked['name']}"
        if not user.owns(name) or user.role != "write":
            raise RefusalError(403, "", f"You don't have the rights to create a model under {name}")
        answer, status = {"url": f"{self.server.url}/{name}", "name": name}, 200
        if name in self.server.models:
            answer, status = answer | {"error": "You already created this model repo"}, 409
        else:
            private = asked.get("private", asked.get("visibility") == "private")
            first = {"main": {".gitattributes": b"*.safetensors filter=lfs\n"}}
            self.server.models[name] = Repository.of("models", first, private=private)
        self._send_json(answer, status)

    def _validate(self) -> None:
        front = re.match(r"---\n(.*?)\n---\n", json.loads(self._body)["content"], re.DOTALL)
        try:
            settings = yaml.safe_load(front.group(1)) if front else None
        except yaml.YAMLError as error:
            return self._send_json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        if not isinstance(settings, dict):
            return self._send_json(
                {"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}]}
            )
        self._send_json({"errors": [], "warnings": []})

    def _info(self, kind: str, name: str, revision: str) -> None:
        repository = self.server.find(kind, name, self._user())
        commit = repository.at(revision or "main")
        siblings = [{"rfilename": path} for path in commit.files]
        facts = {"private": repository.private, "gated": "auto" if repository.gated else False}
        self._send_json({"id": name, "sha": commit.oid, "siblings": siblings, "tags": [], **facts})

    def _tree(self, kind: str, name: str, revision: str, folder: str) -> None:
        commit = self.server.find(kind, name, self._user()).at(revision)
        start = f"{folder}/" if folder else ""
        inside = [entry for entry in entries(commit.files) if entry["path"].startswith(start)]
        if folder and not inside:
            raise RefusalError(404, "EntryNotFound", commit=commit.oid)
        if "true" not in [word.lower() for word in parse_qs(urlsplit(self.path).query).get("recursive", [])]:
            inside = [entry for entry in inside if "/" not in entry["path"].removeprefix(start)]
        self._send_json(inside)

    def _preupload(self, kind: str, name: str, revision: str) -> None:
        files = self._writable(name).at(revision).files
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"], file["size"]) else "regular",
                "shouldIgnore": file["path"].encode() in files.get(".gitignore", b"").split(),
                "oid": blob_id(files[file["path"]]) if file["path"] in files else None,
            }
            for file in json.loads(self._body)["files"]
        ]
        self._send_json({"files": modes})

    def _batch(self, name: str) -> None:
        self._writable(name)
        objects = []
        for wanted in json.loads(self._body)["objects"]:
            href = {"href": f"{self.server.url}/lfs/{name}/{wanted['oid']}?X-Signature=signed"}
            actions = {"upload": href, "verify": href}
            known = {} if wanted["oid"] in self.server.stored else {"actions": actions}
            objects.append({"oid": wanted["oid"], "size": wanted["size"], **known})
        self._send_json({"transfer": "basic", "objects": objects})

    def _put(self, name: str, oid: str) -> None:
        # The storage is not the Hub's: it must not see the token.
        assert "Authorization" not in self.headers
        if sha256(self._body) != oid:
            raise RefusalError(400, "", "The content does not match its digest")
        self.server.stored[oid] = self._body
        self._send(200, b"", {})

    def _verify(self, name: str, oid: str) -> None:
        self._writable(name)
        if oid not in self.server.stored:
            raise RefusalError(404, "", "Not uploaded")
        self._send_json({})

    def _commit(self, kind: str, name: str, revision: str) -> None:
        repository = self._writable(name)
        header, *operations = [json.loads(line) for line in self._body.splitlines()]
        changed: dict[str, bytes | None] = {}
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                changed[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                if value["oid"] not in self.server.stored:
                    raise RefusalError(400, "", f"LFS pointer {value['path']} points to nothing")
                changed[value["path"]] = self.server.stored[value["oid"]]
            else:
                assert operation["key"] == "deletedFile" and value["path"] in repository.at(revision).files
                changed[value["path"]] = None
        asked = header["value"]
        with self.server.lock:
            commit = repository.commit(revision, asked["summary"], asked.get("parentCommit"), changed)
        url = f"{self.server.url}/{name}/commit/{commit.oid}"
        self._send_json({"success": True, "commitOid": commit.oid, "commitUrl": url})

    def _resolve(self, prefix: str, name: str, revision: str, path: str) -> None:
        user = self._user()
        repository = self.server.find("datasets" if prefix else "models", name, user)
        commit = repository.at(revision)
        if repository.gated:
            raise RefusalError(401 if user is None else 403, "GatedRepo", f"Access to {name} is restricted")
        if path not in commit.files:
            raise RefusalError(404, "EntryNotFound", commit=commit.oid)
        content, headers = commit.files[path], {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        if prefix or not is_large(path, len(content)):
            return self._send_part(content, headers | {"ETag": f'"{blob_id(content)}"'})
        self.server.stored[sha256(content)] = content
        linked = {"X-Linked-ETag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
        # Another host name: clients handle a redirect within the same host in another way.
        place = {"Location": f"http://localhost:{self.server.server_port}/storage/{sha256(content)}"}
        self._send(302, b"", headers | linked | place)

    def _storage(self, oid: str) -> None:
        self._send_part(self.server.stored[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    def _send_part(self, content: bytes, headers: Mapping[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self._send(200, content, headers)
        first, last = int(asked[1]), int(asked[2] or len(content) - 1)
        if first >= len(content):
            raise RefusalError(416)
        part = content[first : last + 1]
        self._send(
            206, part, {**headers, "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"}
        )

    def _send_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._send(
            status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _refuse(status: int, code: str, message: str = "") -> None:
    raise RefusalError(status, code, message)
