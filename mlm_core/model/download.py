"""Downloading a model from the Hub, or taking it from the Hub's cache."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mlm_core.compat.huggingface_hub import TIMEOUT, TRANSIENT, is_network_error, public, silence
from mlm_core.errors import MlmError, RequestError, RunError, first_line

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


def download_model(name: str, revision: str | None, *, code: bool = False, pickled: bool = False) -> Path:
    """The local directory of a model's files; from the cache if the Hub is offline or cannot be reached.

    Args:
        name: the model's name on the Hub.
        revision: branch, tag or commit; None: the default branch.
        code: also fetch Python files.
        pickled: also fetch `pytorch_model.bin`.

    Raises:
        RequestError: the model or revision does not exist, or the user has no access to it.
        RunError: the Hub failed.
        OSError: this machine failed, for example its disk is full.
    """
    from huggingface_hub import HfApi, constants, snapshot_download

    wanted = [*_FILES, *(["*.py"] if code else []), *(["pytorch_model*.bin"] if pickled else [])]
    try:
        with silence(bars=sys.stderr.isatty()):
            if not constants.HF_HUB_OFFLINE:
                # If the Hub denies access, the library silently uses its cache.
                _check_access(HfApi(), name, revision)
            return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            # An error of this machine, not of the network.
            raise
        raise _explained(error, name, revision) from None


def _check_access(api: Any, name: str, revision: str | None) -> None:
    """Raise the Hub's error if it denies access. Ignore an unreachable Hub: the cache may have the model."""
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

    # If the cache lacks the model, the library says so; the cause says why it looked into the cache.
    causes = [error, error.__cause__, error.__context__]

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_any(errors.GatedRepoError):
        fix = "accept its terms on the Hub and log in with hf auth login"
        return _model_error("is gated", name, fix)
    if is_any(errors.RevisionNotFoundError):
        return _model_error(f"has no revision {revision}", name, "check --model-revision")
    if is_any(errors.RepositoryNotFoundError, errors.HFValidationError):
        fix = "check the name; a private model needs hf auth login"
        return _model_error("no such directory, and no such model on the Hub", name, fix)
    if constants.HF_HUB_OFFLINE:
        message = "no such directory; HF_HUB_OFFLINE is set, and the Hub's cache lacks this model"
        return _model_error(message, name, "give a model directory, or unset HF_HUB_OFFLINE")
    if any(getattr(getattr(cause, "response", None), "status_code", None) == 401 for cause in causes):
        return _model_error("the token is not valid", name, "log in with hf auth login, or unset HF_TOKEN")
    answered = next((cause for cause in causes if getattr(cause, "response", None) is not None), None)
    if answered is not None:
        return RunError(f"the Hub failed ({public(first_line(answered))})", code="hub_failed", value=name)
    if is_network_error(error) or isinstance(error, errors.LocalEntryNotFoundError | ValueError):
        message = "no such directory; the Hub cannot be reached, and its cache lacks this model"
        return _model_error(message, name, "give a model directory, or connect")
    return RunError(f"the Hub failed ({public(first_line(error))})", code="hub_failed", value=name)


def _model_error(message: str, name: str, fix: str) -> RequestError:
    return RequestError(message, code="missing_model", option="--model", value=name, fix=fix)
