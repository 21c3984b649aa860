"""A repository on the Hub, and one commit to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """The token that is published with; nothing is asked.

    Raises:
        RequestError: there is none, or it can be none, or the Hub is not to be asked.
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
            "the token has characters that no token has",
            code="hub_refused",
            option="--push-to-hub",
            fix="copy it again",
        )
    return found


class HubRepository:
    """A model's repository.

    Attributes:
        name: as ORG/NAME.
        private: whether it is closed to the public.
    """

    def __init__(self, api: Any, name: str, record: HubRecord, *, private: bool) -> None:
        self._api = api
        self._record = record
        self.name, self.private = name, private

    @classmethod
    def open(
        cls, wanted: str, record: HubRecord, *, private: bool, token: str | None = None
    ) -> HubRepository:
        """The repository of this name, made where there is none.

        Args:
            wanted: as ORG/NAME; NAME alone is the user's own.
            record: what was seen of it before; what is there now is noted where nothing was.
            private: who may read it, if it is made.
            token: in the place of the one that is found.

        Raises:
            RequestError: there is no token.
            HubError: the Hub cannot be reached, or refuses.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=check_access(token), library_name="mlm")
        limit_waiting(LONGEST_WAIT)
        with _faults_explained(wanted), silence():
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
        """Where people find it."""
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
        """Make these the model's files, all at once; one attempt.

        What is there already is not sent. What would be loaded in their place goes away.

        Args:
            files: by name.
            tokenizer: the model's; None: files of a tokenizer are left alone.
            message: of the commit.
            card: where neither they nor the repository have one.
            overwrite: also where somebody else has changed the repository since we last saw it.

        Returns:
            The commit that has them.

        Raises:
            HubError: it failed; the repository is as it was, unless only the answer was lost.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with _faults_explained(self.name), silence():
            head = str(self._api.model_info(self.name).sha)
            there = self._listed(head)
            if card is not None and CARD not in there:
                files = {CARD: card.encode()} | dict(files)
            old, ids = outdated(there, files, tokenizer), identities(files)
            if not old and _has(there, ids):
                # An earlier attempt has arrived, if not its answer.
                self._record.note(self.name, Seen(head))
                return head
            seen = self._record.seen(self.name)
            assert seen is not None
            # What we sent may have arrived when nobody waited for the answer any more.
            ours = bool(seen.sent) and _has(there, seen.sent)
            if head != seen.commit and not ours and not overwrite:
                raise moved_on(self.name)
            self._record.note(self.name, Seen(head, ids))
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
                raise HubError("has not taken every file", value=self.name, fix=fix)
            return str(added.oid)

    def _listed(self, commit: str) -> dict[str, Any]:
        from huggingface_hub.hf_api import RepoFile

        listed = self._api.list_repo_tree(self.name, revision=commit)
        return {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}


def _has(there: Mapping[str, Any], ids: Identities) -> bool:
    """Whether all of these files are there, with the same content."""
    return all(name in there and _is(there[name], blob, sha256) for name, (blob, sha256) in ids.items())


def _is(entry: Any, blob: str, sha256: str) -> bool:
    return bool(entry.lfs.sha256 == sha256 if entry.lfs else entry.blob_id == blob)


def _check_rights(user: Mapping[str, Any], name: str) -> None:
    """Refuse what the token cannot be allowed to do: making a repository says nothing where there is one.

    Raises:
        HubError: it may only read, or the repository is somebody else's.
    """
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise read_only(user["name"])
    roles = {item["name"].lower(): item.get("roleInOrg") for item in user.get("orgs", [])}
    owner = name.partition("/")[0].lower()
    if owner not in (user["name"].lower(), *roles) or roles.get(owner) == "read":
        raise not_yours(user["name"], name)


@contextmanager
def _faults_explained(repository: str) -> Iterator[None]:
    try:
        yield
    except MlmError:
        raise
    except Exception as error:
        raise explained(error, repository) from None
