"""A stand-in for the Hugging Face Hub: answers what its clients ask for, from memory on this machine.

Uploads use Git LFS. Clients that have the package hf_xet must not use it (HF_HUB_DISABLE_XET=1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from threading import Event, RLock, Thread
from typing import Any, Self

from hub_endpoints import Handler
from hub_repositories import Files, RefusalError, Repository, User


@dataclass
class Fault:
    """What goes wrong with requests for one endpoint.

    Attributes:
        point: the endpoint, a key of `hub_endpoints.ROUTES`.
        kind: a status to answer with; "cut": the connection closes without an answer; "cut after": it closes
            after the request was carried out; "garbage": an answer in the wrong format; "hang": no answer for
            a long time; "slow": a late answer.
        times: how many requests fail.
        skip: how many requests before them do not.
    """

    point: str
    kind: int | str
    times: int = 10**6
    skip: int = 0


class HubServer(ThreadingHTTPServer):
    """Serves datasets and models while its `with` block lasts.

    Attributes:
        requests: all requests so far, for example "GET /api/datasets/owner/name".
        models, datasets: repositories by name.
        faults: what goes wrong.
    """

    daemon_threads = True

    def __init__(
        self,
        datasets: Mapping[str, Mapping[str, Files]] | None = None,
        *,
        models: Mapping[str, Files] | None = None,
        users: Mapping[str, User] | None = None,
        gated: Collection[str] = (),
        private: Collection[str] = (),
        refusing: Mapping[str, tuple[int, str]] | None = None,
    ) -> None:
        """Take a free port.

        Args:
            datasets: files by repository and revision.
            models: files by repository.
            users: by token.
            gated: repositories that anyone can see, but whose files nobody may read.
            private: repositories that only their owner can see.
            refusing: repositories that answer every request with this status and error code.
        """
        super().__init__(("127.0.0.1", 0), Handler)
        facts = {"gated": gated, "private": private}

        def made(kind: str, name: str, revisions: Mapping[str, Files]) -> Repository:
            return Repository.of(kind, revisions, **{fact: name in names for fact, names in facts.items()})

        self.datasets = {name: made("datasets", name, files) for name, files in (datasets or {}).items()}
        self.models = {name: made("models", name, {"main": files}) for name, files in (models or {}).items()}
        self.users, self.refusing = users or {}, refusing or {}
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.stored: dict[str, bytes] = {}
        self.lock = RLock()
        self.closing = Event()

    @property
    def url(self) -> str:
        """The value of HF_ENDPOINT for its clients."""
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self, token: str | None = None) -> dict[str, str]:
        """The variables that a client needs, besides a home directory of its own."""
        needed = {
            "HF_ENDPOINT": self.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            # Another server than the Hub counts the loads of datasets.
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        }
        return needed | ({"HF_TOKEN": token} if token is not None else {})

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about connections that a fault has cut."""

    def fail(self, point: str, kind: int | str, times: int = 10**6, skip: int = 0) -> Fault:
        """Let requests fail from now on."""
        fault = Fault(point, kind, times, skip)
        self.faults.append(fault)
        return fault

    def fault(self, point: str) -> int | str | None:
        """The kind of fault that this request meets; None: no fault."""
        with self.lock:
            for fault in self.faults:
                if fault.point != point:
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    return fault.kind
        return None

    def files(self, repository: str) -> Files:
        """A model's files as they are now."""
        return self.models[repository].at("main").files

    def find(self, kind: str, name: str, user: User | None) -> Repository:
        """A repository that this user can see.

        Raises:
            RefusalError: there is none, or it refuses every request.
        """
        if name in self.refusing:
            raise RefusalError(*self.refusing[name])
        found = (self.models if kind == "models" else self.datasets).get(name)
        if found is None or (found.private and (user is None or not user.owns(name))):
            raise RefusalError(401 if user is None else 404, "RepoNotFound", "Repository not found")
        return found
