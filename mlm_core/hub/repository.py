"""A repository on the Hub, and one commit to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlm_core.compat.huggingface_hub import limit_waiting, silence
from mlm_core.errors import MlmError, RequestError
from mlm_core.hub.errors import HubError, explained, moved_on, no_token, not_yours, offline, read_only
from mlm_core.hub.model_files import CARD, Files, Identities, identities, outdated
from mlm_core.hub.record import HubRecord, Seen

LONGEST_WAIT = 120.0
"""Seconds without a byte after which a connection counts as dead; commits of large files take some tens."""

_BRANCH = "main"


def check_access(token: str | None = None) -> str:
    """The token for publishing; sends no request.

    Raises:
        RequestError: there is no token, it is malformed, or the Hub is switched off.
    """
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        error = offline("").as_request_error()
        error.option, error.value, error.fix = "--push-to-hub", None, "unset it, or leave --push-to-hub out"
        raise error
    found = (token or get_token() or "").strip()
    if not found:
        raise no_token()
    if not (found.isascii() and found.isprintable() and " " not in found):
        raise RequestError(
            "the token contains invalid characters",
            code="hub_refused",
            option="--push-to-hub",
            fix="copy it again",
        )
    return found


class HubRepository:
    """A model's repository.

    Attributes:
        name: full name, for example ORG/NAME.
        private: whether it is private.
    """

    def __init__(self, api: Any, name: str, record: HubRecord, *, private: bool) -> None:
        self._api = api
        self._record = record
        self.name, self.private = name, private

    @classmethod
    def open(
        cls, wanted: str, record: HubRecord, *, private: bool, token: str | None = None
    ) -> HubRepository:
        """Open a repository; create it if it does not exist.

        Args:
            wanted: for example ORG/NAME; NAME alone is the user's own repository.
            record: what was seen of it before; a first sight is recorded.
            private: whether a new repository is private.
            token: None: the stored token.

        Raises:
            RequestError: there is no token.
            HubError: the Hub cannot be reached, or refuses.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=check_access(token), library_name="mlm")
        limit_waiting(LONGEST_WAIT)
        with _errors_explained(wanted), silence():
            user = api.whoami()
            name = wanted if "/" in wanted else f"{user['name']}/{wanted}"
            _check_rights(user, name)
            name = str(api.create_repo(name, private=private, exist_ok=True).repo_id)
            facts = api.model_info(name)
        if record.seen(name) is None:
            record.note(name, Seen(str(facts.sha)))
        return cls(api, name, record, private=bool(facts.private))

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"{self._api.endpoint}/{self.name}"

    def commit(
        self,
        files: Files,
        tokenizer: Any,
        message: str,
        *,
        card: str | None = None,
        overwrite: bool = False,
    ) -> str:
        """Commit the model's files in one commit; a single attempt.

        Files that the repository already holds are not committed again. Files that would be loaded instead of
        these are deleted.

        Args:
            files: by name.
            tokenizer: of the model; None: tokenizer files in the repository are left alone.
            message: of the commit.
            card: used if neither `files` nor the repository has a card.
            overwrite: commit even if somebody else has changed the repository since it was last seen.

        Returns:
            The commit that holds the files.

        Raises:
            HubError: the commit failed; the repository is unchanged, unless only the answer was lost.
        """
        with _errors_explained(self.name), silence():
            head = str(self._api.model_info(self.name).sha)
            there = self._listed(head)
            if card is not None and CARD not in there:
                files = {CARD: card.encode()} | dict(files)
            old, ids = outdated(there, files, tokenizer), identities(files)
            if not old and _has(there, ids):
                # An earlier attempt arrived, though its answer may have been lost.
                self._record.note(self.name, Seen(head))
                return head
            if not overwrite:
                self._check_last_seen(head, there)
            self._record.note(self.name, Seen(head, ids))
            return self._send(files, old, message, head)

    def _check_last_seen(self, head: str, there: Mapping[str, Any]) -> None:
        """Raise unless the newest commit is the one last seen, or an upload of this run."""
        seen = self._record.seen(self.name)
        assert seen is not None
        # An upload may have arrived after nobody waited for its answer any more.
        ours = bool(seen.sent) and _has(there, seen.sent)
        if head != seen.commit and not ours:
            raise moved_on(self.name)

    def _send(self, files: Files, old: Iterable[str], message: str, head: str) -> str:
        """Commit on top of `head`; return the new commit."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

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
        self._record.note(self.name, Seen(str(added.oid)))
        if not files.keys() <= self._listed(str(added.oid)).keys():
            fix = "look for its name in the repository's .gitignore"
            raise HubError("a file is missing after the commit", value=self.name, fix=fix)
        return str(added.oid)

    def _listed(self, commit: str) -> dict[str, Any]:
        from huggingface_hub.hf_api import RepoFile

        listed = self._api.list_repo_tree(self.name, revision=commit)
        return {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}


def _has(there: Mapping[str, Any], ids: Identities) -> bool:
    """Whether the repository holds all of these files with the same content."""
    return all(name in there and _is(there[name], blob, sha256) for name, (blob, sha256) in ids.items())


def _is(entry: Any, blob: str, sha256: str) -> bool:
    return bool(entry.lfs.sha256 == sha256 if entry.lfs else entry.blob_id == blob)


def _check_rights(user: Mapping[str, Any], name: str) -> None:
    """Check the token's rights: creating a repository that exists already raises no error.

    Raises:
        HubError: the token may only read, or somebody else owns the repository.
    """
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise read_only(user["name"])
    roles = {item["name"].lower(): item.get("roleInOrg") for item in user.get("orgs", [])}
    owner = name.partition("/")[0].lower()
    if owner not in (user["name"].lower(), *roles) or roles.get(owner) == "read":
        raise not_yours(user["name"], name)


@contextmanager
def _errors_explained(repository: str) -> Iterator[None]:
    try:
        yield
    except MlmError:
        raise
    except Exception as error:
        raise explained(error, repository) from None
