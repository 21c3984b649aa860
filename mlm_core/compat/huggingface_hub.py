"""huggingface_hub 0.36, 1 and 2."""

from __future__ import annotations


def is_network_error(error: BaseException) -> bool:
    """Whether the Hub was not reached at all, or not in time.

    Up to 0.36 the library speaks through requests, whose errors are OSErrors; 1 through httpx and 2 through
    its successor, whose errors are not. Each calls the base class of its client's errors HTTPError. Until 1
    is the lowest version; then HTTPError alone will do.
    """
    from huggingface_hub.errors import HTTPError

    return isinstance(error, HTTPError | OSError)
