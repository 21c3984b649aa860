"""A parsed command line, as every command receives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlm_core.errors import RequestError


@dataclass(frozen=True)
class Request:
    """A parsed command line.

    Attributes:
        command: "train", "evaluate", ...
        given: the config options that were given, as text, by name.
        json: whether to print one JSON object.
        arguments: the command's own arguments, by name.
    """

    command: str
    given: dict[str, Any] = field(default_factory=dict)
    json: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


def whole_number(text: str, option: str, *, least: int) -> int:
    """The number in a command's own argument.

    Raises:
        RequestError: it is not a whole number, or it is less than `least`.
    """
    # Of more digits, no list is that long.
    if text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= least:
        return int(text)
    message = f"must be a whole number of at least {least}"
    raise RequestError(message, code="invalid_type", option=option, value=text)
