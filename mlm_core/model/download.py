"""A model from the Hub, or from its cache."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mlm_core.compat.huggingface_hub import TIMEOUT, TRANSIENT, is_network_error, public, silence
from mlm_core.errors import MlmError, RequestError, RunError, first_line

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


def download_model(name: str, revision: str | None, *, code: bool = False, pickled: bool = False) -> Path:
    """The directory of a model's files; taken from the cache where the Hub is not asked or not there.

    Args:
        name: of the model.
        revision: branch, tag or commit; None: the default branch.
        code: Python files are fetched, too.
        pickled: so is `pytorch_model.bin`.

    Raises:
        RequestError: there is no such model or revision, or it is closed to this user.
        RunError: the Hub failed.
    """
    from huggingface_hub import HfApi, constants, snapshot_download

    wanted = [*_FILES, *(["*.py"] if code else []), *(["pytorch_model*.bin"] if pickled else [])]
    try:
        with silence(bars=sys.stderr.isatty()):
            if not constants.HF_HUB_OFFLINE:
                # Where the Hub refuses, the library takes what its cache has, without a word.
                _ask(HfApi(), name, revision)
            return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            # Of this machine, not of the network.
            raise
        raise _explained(error, name, revision) from None


def _ask(api: Any, name: str, revision: str | None) -> None:
    """Pass on that the Hub refuses; that it cannot be reached is no reason not to look into the cache."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.model_info(name, revision=revision, timeout=TIMEOUT)
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, HfHubHTTPError) and status is not None and status not in TRANSIENT:
            raise
        if not is_network_error(error):
            raise


def _explained(error: Exception, name: str, revision: str | None) -> MlmError:
    from huggingface_hub import constants, errors

    # Where nothing is in the cache, the library says so, and behind that why it had to look there.
    causes = [error, error.__cause__, error.__context__]

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_any(errors.GatedRepoError):
        fix = "accept its terms on the Hub and log in with hf auth login"
        return _refusal("is gated", name, fix)
    if is_any(errors.RevisionNotFoundError):
        return _refusal(f"has no revision {revision}", name, "check --model-revision")
    if is_any(errors.RepositoryNotFoundError, errors.HFValidationError):
        fix = "check the name; a private model needs hf auth login"
        return _refusal("no such directory, and no such model on the Hub", name, fix)
    if constants.HF_HUB_OFFLINE:
        message = "no such directory; HF_HUB_OFFLINE is set, and the Hub's cache does not have this model"
        return _refusal(message, name, "give a model directory, or unset it")
    if any(getattr(getattr(cause, "response", None), "status_code", None) == 401 for cause in causes):
        return _refusal("the token is not valid", name, "log in with hf auth login, or unset HF_TOKEN")
    refused = next((cause for cause in causes if getattr(cause, "response", None) is not None), None)
    if refused is not None:
        return RunError(f"the Hub failed ({public(first_line(refused))})", code="hub_failed", value=name)
    if is_network_error(error) or isinstance(error, errors.LocalEntryNotFoundError | ValueError):
        message = "no such directory; the Hub cannot be reached and its cache does not have this model"
        return _refusal(message, name, "give a model directory, or connect")
    return RunError(f"the Hub failed ({public(first_line(error))})", code="hub_failed", value=name)


def _refusal(message: str, name: str, fix: str) -> RequestError:
    return RequestError(message, code="missing_model", option="--model", value=name, fix=fix)
