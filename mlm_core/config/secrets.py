"""A secret in the wrong place, where it would be printed, written and published."""

from __future__ import annotations

from mlm_core.errors import RequestError


def secret_error(option: str | None = None) -> RequestError:
    """Error: the value of an option, or a word of the command line, is a token of the Hub."""
    return RequestError(
        "a token does not belong here, where it would be shown and saved",
        code="misplaced_token",
        option=option,
        fix="put it into the variable HF_TOKEN, or log in with hf auth login; if others may have seen it, "
        "make a new one",
    )
