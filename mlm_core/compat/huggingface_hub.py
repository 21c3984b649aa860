"""huggingface_hub 0.36, 1 and 2: network errors, time limits and messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def is_network_error(error: BaseException) -> bool:
    """Whether an error means that the Hub was not reached, or not in time.

    Up to 0.36, the library uses requests, whose errors are OSErrors. Version 1 uses httpx and version 2 its
    successor, whose errors are not OSErrors. In each version, HTTPError is the base class of the client's
    errors. Needed until 1 is the lowest version; then HTTPError suffices.
    """
    from huggingface_hub.errors import HTTPError

    return isinstance(error, HTTPError | OSError)


def limit_waiting(seconds: float) -> None:
    """Limit how long the library's requests wait for a connection, or for the next bytes, in seconds.

    By default, the library waits for ever when it sends data. Sessions or clients that a user configured are
    not changed.
    """
    import huggingface_hub
    from huggingface_hub.utils import _http

    if hasattr(huggingface_hub, "configure_http_backend"):
        make_session = _http._default_backend_factory
        if _http._GLOBAL_BACKEND_FACTORY is make_session:
            huggingface_hub.configure_http_backend(lambda: _limited(make_session(), seconds))
        return
    make_client = _http.default_client_factory
    if make_client is _http._GLOBAL_CLIENT_FACTORY:

        def limited_client() -> Any:
            client = make_client()
            client.timeout = seconds
            return client

        huggingface_hub.set_client_factory(limited_client)


@contextmanager
def silence(*, bars: bool = False) -> Iterator[None]:
    """A context in which the library writes nothing to the terminal: this package reports what matters.

    Args:
        bars: allow progress bars, unless the user disabled them.
    """
    import warnings

    from huggingface_hub import utils

    shown, hidden = utils.logging.get_verbosity(), bars or utils.are_progress_bars_disabled()
    utils.logging.set_verbosity_error()
    if not hidden:
        utils.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        utils.logging.set_verbosity(shown)
        if not hidden:
            utils.enable_progress_bars()


def _limited(session: Any, seconds: float) -> Any:
    send = session.send

    def send_in_time(request: Any, **options: Any) -> Any:
        return send(request, **{**options, "timeout": options.get("timeout") or seconds})

    session.send = send_in_time
    return session


TIMEOUT = 20.0
"""Seconds after which the Hub counts as unreachable."""


TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses of transient errors: another attempt may succeed."""


def public(text: str) -> str:
    """A library's message about a request, without the query of an address, which may hold a key."""
    return re.sub(r"\?\S*", "", text)
