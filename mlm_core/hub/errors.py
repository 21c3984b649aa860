"""Errors of the Hub, each with its fix."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any

from mlm_core.compat.huggingface_hub import TRANSIENT, is_network_error, public
from mlm_core.errors import RequestError, RunError, first_line

_LOG_IN = "log in with hf auth login, or set HF_TOKEN, with a token that may write"


class HubError(RunError):
    """A request to the Hub failed.

    Attributes:
        transient: another attempt may succeed.
    """

    def __init__(self, message: str, *, transient: bool = False, **facts: Any) -> None:
        super().__init__(message, **({"code": "hub_failed"} | facts))
        self.transient = transient

    def as_request_error(self) -> RequestError:
        """The same error as a wrong request, raised before anything was done."""
        return RequestError(self.message, code=self.code, option=self.option, value=self.value, fix=self.fix)


def moved_on(repository: str) -> HubError:
    """Error: somebody else has changed the repository."""
    return HubError(
        "has newer commits than this run last saw",
        code="hub_moved_on",
        value=repository,
        fix="check its history; --overwrite publishes on top of them",
    )


def explained(error: Exception, repository: str) -> HubError:
    """The error for an exception of the Hub's library; its message holds no secrets."""
    from huggingface_hub import errors

    cause: BaseException = error
    while isinstance(cause, RuntimeError) and cause.__cause__ is not None:
        # For a failed upload the library names the file; its cause is the reason.
        cause = cause.__cause__
    if isinstance(cause, errors.HFValidationError):
        fix = "use letters, digits, - _ and ., for example ORG/NAME"
        return HubError("not a valid repository name", code="hub_name", value=repository, fix=fix)
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status is not None:
        return _refused(cause, int(status), repository)
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return offline(repository)
    if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, ConnectionError):
        # An error of this machine, not of the network.
        return HubError(f"a file cannot be read ({cause.strerror})", value=cause.filename)
    # With the client `requests` this is a network error as well.
    unreadable = isinstance(cause, JSONDecodeError)
    if is_network_error(cause) and not unreadable:
        return HubError("the Hub cannot be reached", code="hub_unreachable", transient=True, value=repository)
    if unreadable or isinstance(cause, KeyError | TypeError):
        message = f"the Hub's answer cannot be read ({public(first_line(cause))})"
        return HubError(message, transient=True, value=repository)
    if isinstance(cause, ValueError) and "metadata" in str(cause):
        said = " ".join(public(str(cause)).split())
        fix = "correct the metadata between its first two lines of ---"
        return HubError(f"the Hub refuses the card ({said})", code="bad_card", value=repository, fix=fix)
    return HubError(f"the Hub failed ({public(first_line(cause))})", value=repository)


def offline(repository: str) -> HubError:
    """Error: the user has switched the Hub off."""
    message, fix = "the Hub is switched off, because HF_HUB_OFFLINE is set", "unset it"
    return HubError(message, code="hub_offline", value=repository, fix=fix)


def no_token() -> RequestError:
    """Error: nobody has logged in."""
    return RequestError("publishing requires a token", code="no_token", option="--push-to-hub", fix=_LOG_IN)


def read_only(name: str) -> HubError:
    """Error: the token may read, but not write."""
    return HubError(f"the token of {name} may only read", code="hub_refused", fix=_LOG_IN)


def not_yours(user: str, repository: str) -> HubError:
    """Error: somebody else owns the repository."""
    fix = "choose a repository of your own, or of an organisation that lets you write"
    return HubError(f"{user} may not write there", code="hub_refused", value=repository, fix=fix)


def _refused(error: BaseException, status: int, repository: str) -> HubError:
    from huggingface_hub import errors

    said = public(str(getattr(error, "server_message", None) or first_line(error)))
    if isinstance(error, errors.GatedRepoError):
        fix = "accept its terms on the Hub and log in with hf auth login"
        return HubError("access to the repository is gated", code="hub_refused", value=repository, fix=fix)
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError("no such revision", code="hub_refused", value=repository)
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        message = "there is no such repository on the Hub, or the token may not see it"
        return HubError(message, code="hub_refused", value=repository, fix="check the name")
    if status == 401:
        return HubError("the token is not valid", code="hub_refused", value=repository, fix=_LOG_IN)
    if status == 403:
        message = f"the token may not write there ({said})"
        return HubError(message, code="hub_refused", value=repository, fix=_LOG_IN)
    if status in (409, 412):
        # The next attempt shows whether somebody else made a commit, or an answer to this run was lost.
        return HubError(f"the repository is being changed ({said})", transient=True, value=repository)
    if status in TRANSIENT:
        return HubError(f"the Hub failed with status {status} ({said})", transient=True, value=repository)
    return HubError(f"the Hub refuses the request ({said})", code="hub_refused", value=repository)
