"""huggingface_hub 0.36, 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def is_network_error(error: BaseException) -> bool:
    """Whether the Hub was not reached at all, or not in time.

    Up to 0.36 the library speaks through requests, whose errors are OSErrors; 1 through httpx and 2 through
    its successor, whose errors are not. Each calls the base class of its client's errors HTTPError. Until 1
    is the lowest version; then HTTPError alone will do.
    """
    from huggingface_hub.errors import HTTPError

    return isinstance(error, HTTPError | OSError)


def limit_waiting(seconds: float) -> None:
    """Have no request of the library wait longer than this for a connection, or for the next bytes.

    By itself it waits for ever where it sends something. Of one's own sessions or clients none is touched.
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
    """Keep the library from writing to the terminal: what matters is said in our words.

    Args:
        bars: it may draw progress bars, where the user has not said otherwise.
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
"""Statuses that another attempt may not meet."""


def public(text: str) -> str:
    """What a library says of a request, without the part of an address that is a key."""
    return re.sub(r"\?\S*", "", text)
