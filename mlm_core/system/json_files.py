"""Reading JSON files that may be damaged, or were made by somebody else.

Size, depth and numbers are bounded, keys are unique, and only regular files are read: whatever a file holds,
reading it ends, with the content or with a `BadJsonError`. A schema (a msgspec Struct) then checks the types.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from mlm_core.system.files import open_regular

T = TypeVar("T")

LARGEST = 256 * 2**20
"""Bytes of a file; our own files are smaller by orders of magnitude."""
_DEPTH = 100
_DIGITS = 40
"""Of an integer. Many a `tokenizer_config.json` has 10^30, which stands for "no limit"."""


class BadJsonError(ValueError):
    """The content of a file is not what it should be; the message says what is wrong, as a clause."""


def read_bounded(path: Path, largest: int = LARGEST) -> bytes:
    """Read a regular file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        BadJsonError: it is larger than `largest` bytes.
    """
    with open_regular(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise BadJsonError(f"it is larger than {largest:,} bytes")
    return content


def parse_json(content: bytes | str) -> Any:
    """Parse JSON.

    Raises:
        BadJsonError: it is not JSON, is nested too deeply, has a key twice or a number of too many digits.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        value = json.loads(text, parse_int=_integer, object_pairs_hook=_unique)
    except BadJsonError:
        raise
    except RecursionError:
        raise BadJsonError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise BadJsonError(f"it is not UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise BadJsonError(f"it is not JSON ({error})") from None
    _check_depth(value)
    return value


def read_json(path: Path, largest: int = LARGEST) -> Any:
    """Read and parse a file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        BadJsonError: see `read_bounded` and `parse_json`.
    """
    return parse_json(read_bounded(path, largest))


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, line by line.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        BadJsonError: a line is not a JSON object.
    """
    for number, line in enumerate(read_bounded(path).split(b"\n"), 1):
        if line.strip():
            try:
                yield as_object(parse_json(line))
            except BadJsonError as error:
                raise BadJsonError(f"line {number}: {error}") from None


def as_object(value: Any) -> dict[str, Any]:
    """The value, if it is a JSON object.

    Raises:
        BadJsonError: it is not.
    """
    if not isinstance(value, dict):
        raise BadJsonError("it is not a JSON object")
    return value


def checked(value: Any, schema: type[T]) -> T:
    """The value as an instance of a msgspec Struct, or of another type that msgspec knows.

    Raises:
        BadJsonError: a key is missing or has the wrong type; the message names it. Or a whole number does not
            fit into 64 bits, or a number is not finite.
    """
    # Late: importing msgspec takes 15 ms, and most commands read no such file.
    import msgspec

    try:
        found = msgspec.convert(value, schema)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
        raise BadJsonError(str(error)[:300]) from None
    level = [value]
    while level:
        for item in level:
            if isinstance(item, int) and not -(2**63) <= item < 2**63:
                raise BadJsonError(f"the number {item} is out of range")
            if isinstance(item, float) and not math.isfinite(item):
                raise BadJsonError(f"a number is {item}")
        level = _inner(level)
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise BadJsonError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise BadJsonError(f"it has the key {twice[:50]!r} twice")
    return found


def _check_texts(values: list[Any]) -> None:
    try:
        for value in values:
            if isinstance(value, str):
                value.encode()
            elif isinstance(value, dict):
                "".join(value).encode()
    except UnicodeEncodeError:
        raise BadJsonError("it has half a pair of surrogates, which is no text") from None


def _check_depth(value: Any) -> None:
    """Whoever gets the value may write or copy it, and would meet Python's own limit on the way.

    Half a pair of surrogates can be written as \\ud800, but is no text.
    """
    level = [value]
    for _ in range(_DEPTH):
        _check_texts(level)
        level = _inner(level)
        if not level:
            return
    raise BadJsonError(f"it is nested more than {_DEPTH} levels deep")


def _inner(values: list[Any]) -> list[Any]:
    """What is one level further down."""
    return [
        inner
        for item in values
        if isinstance(item, (dict, list))
        for inner in (item.values() if isinstance(item, dict) else item)
    ]
