"""What a node sees of the ranks that a launcher has started, for `mlm doctor`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from mlm_core.errors import RequestError
from mlm_core.ranks.launch import Launched, launched

_PATIENCE = 2.0
"""Seconds to wait for an answer of another node."""


def node_facts(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The place of this process, its threads, and which addresses of other ranks answer.

    Args:
        environment: the variables; None: this process's.

    Returns:
        `rank`, `count`, `local_rank`, `local_count`, `by`, `threads`, `addresses` (address to state) and
        `problem`, which is None if the variables are right.
    """
    found = os.environ if environment is None else environment
    try:
        place = launched(found)
    except RequestError as error:
        return {"problem": str(error)}
    addresses = _addresses(place, found)
    return {
        "rank": place.rank,
        "count": place.count,
        "local_rank": place.local_rank,
        "local_count": place.local_count,
        "by": place.by,
        "threads": place.threads(None),
        "addresses": {address: _state(address) for address in addresses},
        "problem": None
        if addresses or place.count == 1
        else "no address of rank 0: set MASTER_ADDR and MASTER_PORT for PyTorch, TF_CONFIG for TensorFlow",
    }


def _addresses(place: Launched, found: Mapping[str, str]) -> list[str]:
    if place.count == 1:
        return []
    host, port = found.get("MASTER_ADDR"), found.get("MASTER_PORT")
    return [*([f"{host}:{port}"] if host and port else []), *place.workers]


def _state(address: str) -> str:
    """Whether somebody answers at `HOST:PORT`."""
    host, _, port = address.rpartition(":")
    try:
        if not 0 < int(port) < 2**16:
            return "no such port"
        socket.getaddrinfo(host, int(port))
        with socket.create_connection((host, int(port)), timeout=_PATIENCE):
            return "answers"
    except ValueError:
        return "no such port"
    except socket.gaierror:
        return "the name is unknown here"
    except TimeoutError:
        return "does not answer: is the port open?"
    except OSError:
        return "nobody listens there yet"
