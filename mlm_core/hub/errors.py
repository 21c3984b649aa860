"""What the Hub answers where it does not do what it was asked."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any

from mlm_core.compat.huggingface_hub import TRANSIENT, is_network_error, public
from mlm_core.errors import RequestError, RunError, first_line

_LOG_IN = "log in with hf auth login, or set HF_TOKEN, with a token that may write"


class HubError(RunError):
    """The Hub did not do what it was asked.

    Attributes:
        passing: another attempt may succeed.
    """

    def __init__(self, message: str, *, passing: bool = False, **facts: Any) -> None:
        super().__init__(message, **({"code": "hub_failed"} | facts))
        self.passing = passing

    def as_request_error(self) -> RequestError:
        """The same as what is wrong with a request, before anything was done."""
        return RequestError(self.message, code=self.code, option=self.option, value=self.value, fix=self.fix)


def moved_on(repository: str) -> HubError:
    """Somebody else has changed the repository."""
    return HubError(
        "has commits that this run knows nothing of",
        code="hub_moved_on",
        value=repository,
        fix="look at its history; --overwrite publishes on top of them",
    )


def explained(error: Exception, repository: str) -> HubError:
    """What an exception of the library means for this repository, without secrets."""
    from huggingface_hub import errors

    cause: BaseException = error
    while isinstance(cause, RuntimeError) and cause.__cause__ is not None:
        # Where a file does not arrive, the library says which; the reason is behind that.
        cause = cause.__cause__
    if isinstance(cause, errors.HFValidationError):
        fix = "a name is letters, digits, - _ and ., as in ORG/NAME"
        return HubError("is no name of a repository", code="hub_name", value=repository, fix=fix)
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status is not None:
        return _refused(cause, int(status), repository)
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return offline(repository)
    if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, ConnectionError):
        # Of this machine, not of the network.
        return HubError(f"a file cannot be read ({cause.strerror})", value=cause.filename)
    # Where the client is requests, this is one of its errors as well.
    senseless = isinstance(cause, JSONDecodeError)
    if is_network_error(cause) and not senseless:
        return HubError("the Hub cannot be reached", code="hub_unreachable", passing=True, value=repository)
    if senseless or isinstance(cause, KeyError | TypeError):
        message = f"the Hub's answer makes no sense ({public(first_line(cause))})"
        return HubError(message, passing=True, value=repository)
    if isinstance(cause, ValueError) and "metadata" in str(cause):
        said = " ".join(public(str(cause)).split())
        fix = "correct what stands between its first two lines of ---"
        return HubError(f"the card is refused ({said})", code="bad_card", value=repository, fix=fix)
    return HubError(f"the Hub failed ({public(first_line(cause))})", value=repository)


def offline(repository: str) -> HubError:
    """The user has said that the Hub is not to be asked."""
    message, fix = "the Hub is not asked, as HF_HUB_OFFLINE is set", "unset it"
    return HubError(message, code="hub_offline", value=repository, fix=fix)


def no_token() -> RequestError:
    """Nobody has logged in."""
    return RequestError(
        "there is no token to publish with", code="no_token", option="--push-to-hub", fix=_LOG_IN
    )


def read_only(name: str) -> HubError:
    """The token may read, not write."""
    return HubError(f"the token of {name} may only read", code="hub_refused", fix=_LOG_IN)


def not_yours(user: str, repository: str) -> HubError:
    """The owner of the repository is somebody else."""
    fix = "choose a repository of your own, or of an organisation that lets you write"
    return HubError(f"{user} may not write there", code="hub_refused", value=repository, fix=fix)


def _refused(error: BaseException, status: int, repository: str) -> HubError:
    from huggingface_hub import errors

    said = public(str(getattr(error, "server_message", None) or first_line(error)))
    if isinstance(error, errors.GatedRepoError):
        fix = "accept its terms on the Hub and log in with hf auth login"
        return HubError("is gated", code="hub_refused", value=repository, fix=fix)
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError("has no such revision", code="hub_refused", value=repository)
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        message = "there is no such repository on the Hub, or the token may not see it"
        return HubError(message, code="hub_refused", value=repository, fix="check the name")
    if status == 401:
        return HubError("the token is not valid", code="hub_refused", value=repository, fix=_LOG_IN)
    if status == 403:
        message = f"the token may not write there ({said})"
        return HubError(message, code="hub_refused", value=repository, fix=_LOG_IN)
    if status in (409, 412):
        # It is tried again: then it shows whether it was somebody else, or an attempt whose answer was lost.
        return HubError(f"something else is being done there ({said})", passing=True, value=repository)
    if status in TRANSIENT:
        return HubError(f"the Hub failed with status {status} ({said})", passing=True, value=repository)
    return HubError(f"the Hub refuses it ({said})", code="hub_refused", value=repository)
