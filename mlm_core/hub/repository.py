"""A repository on the Hub, and one commit to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlm_core.compat.huggingface_hub import limit_waiting, progress_bars
from mlm_core.errors import MlmError
from mlm_core.hub.faults import HubError, explained, moved_on, no_token, offline, read_only
from mlm_core.hub.model_files import Files, is_same, outdated

_LONGEST_WAIT = 120.0
"""Seconds without a byte after which a connection counts as dead; commits of large files take some tens."""

_BRANCH = "main"


def check_access(token: str | None = None) -> str:
    """The token that is published with; nothing is asked.

    Raises:
        RequestError: there is none, or the Hub is not to be asked.
    """
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        error = offline("").as_request_error()
        error.option, error.value, error.fix = "--push-to-hub", None, "unset it, or leave --push-to-hub out"
        raise error
    found = token or get_token()
    if not found:
        raise no_token()
    return found


class HubRepository:
    """A model's repository.

    Attributes:
        name: as ORG/NAME.
        known: the commit that was its newest when we last looked, or ours.
        private: whether it is closed to the public.
    """

    def __init__(self, api: Any, name: str, known: str, *, private: bool) -> None:
        self._api = api
        self.name, self.known, self.private = name, known, private

    @classmethod
    def open(
        cls, wanted: str, *, private: bool, known: str | None, token: str | None = None
    ) -> HubRepository:
        """The repository of this name, made where there is none.

        Args:
            wanted: as ORG/NAME; NAME alone is the user's own.
            private: who may read it, if it is made.
            known: the commit that was its newest when the run last saw it; None: the one that is now.
            token: in the place of the one that is found.

        Raises:
            RequestError: there is no token.
            HubError: the Hub cannot be reached, or refuses.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=check_access(token), library_name="mlm")
        limit_waiting(_LONGEST_WAIT)
        with _faults_explained(wanted), _silence():
            user = api.whoami()
            name = wanted if "/" in wanted else f"{user['name']}/{wanted}"
            access = user.get("auth", {}).get("accessToken", {})
            if access.get("role") == "read":
                raise read_only(user["name"])
            name = str(api.create_repo(name, private=private, exist_ok=True).repo_id)
            facts = api.model_info(name)
        return cls(api, name, known or str(facts.sha), private=bool(facts.private))

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"{self._api.endpoint}/{self.name}"

    def commit(self, files: Files, tokenizer: Any, message: str, *, overwrite: bool = False) -> None:
        """Make these the model's files, all at once; one attempt.

        What is there already is not sent. What would be loaded in their place goes away.

        Args:
            files: by name.
            tokenizer: the model's.
            message: of the commit.
            overwrite: also where somebody else has changed the repository since we last saw it.

        Raises:
            HubError: it failed; the repository is as it was, unless only the answer was lost.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with _faults_explained(self.name), _silence():
            head = str(self._api.model_info(self.name).sha)
            there = self._listed(head)
            old = outdated(there, files, tokenizer)
            if not old and self._has(files, there):
                # An earlier attempt has arrived, if not its answer.
                self.known = head
                return
            if head != self.known and not overwrite:
                raise moved_on(self.name)
            added = self._api.create_commit(
                self.name,
                [
                    *(CommitOperationAdd(name, content) for name, content in files.items()),
                    *(CommitOperationDelete(name) for name in old),
                ],
                commit_message=message,
                parent_commit=head,
                revision=_BRANCH,
            )
            self.known = str(added.oid)
            if not self._has(files, self._listed(self.known)):
                fix = "look for its name in the repository's .gitignore"
                raise HubError("has not taken every file", value=self.name, fix=fix)

    def _listed(self, commit: str) -> dict[str, Any]:
        from huggingface_hub.hf_api import RepoFile

        listed = self._api.list_repo_tree(self.name, revision=commit)
        return {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}

    def _has(self, files: Files, there: dict[str, Any]) -> bool:
        return all(
            name in there
            and is_same(content, there[name].blob_id, there[name].lfs.sha256 if there[name].lfs else None)
            for name, content in files.items()
        )


@contextmanager
def _faults_explained(repository: str) -> Iterator[None]:
    try:
        yield
    except MlmError:
        raise
    except Exception as error:
        raise explained(error, repository) from None


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the library from writing to the terminal: what matters is said in our words."""
    import warnings

    from huggingface_hub import utils

    shown = utils.logging.get_verbosity()
    utils.logging.set_verbosity_error()
    try:
        with progress_bars(shown=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        utils.logging.set_verbosity(shown)
