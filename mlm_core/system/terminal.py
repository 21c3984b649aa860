"""A terminal: its width, and text that fits it."""

from __future__ import annotations

import os
import re
import textwrap
from typing import Any

_USUAL = 80
"""Columns of a terminal that does not tell."""

_MOST_DIGITS = 5
"""Digits of a width in the environment variable."""

_BETWEEN_COLUMNS = re.compile(r"\S( {2,})(?=\S)")
_COMMAND = re.compile(r"(?<=[:;] )mlm [a-z]+\b.*$")


def columns(stream: Any) -> int | None:
    """The width of the terminal that a stream shows on, `$COLUMNS` first; None: it is no terminal."""
    try:
        if not stream.isatty():
            return None
    except (AttributeError, ValueError, OSError):
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and len(given) <= _MOST_DIGITS and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    except (AttributeError, ValueError, OSError):
        return _USUAL


def fitted(text: str, stream: Any) -> str:
    """The text, wrapped between words where a stream shows it on a terminal; elsewhere as it is."""
    width = columns(stream)
    return text if width is None else "\n".join(wrapped(line, width) for line in text.split("\n"))


def wrapped(line: str, width: int) -> str:
    """A line that is too long, broken between words; no word is broken.

    The rest of a table's row is below its last column. A command at the end gets a line of its own, which is
    not broken, so that it can be copied. A row of a Markdown table stays whole.
    """
    if len(line) <= width or line.startswith("|"):
        return line
    command = _COMMAND.search(line)
    if command is not None:
        before = wrapped(line[: command.start()].rstrip(), width)
        return f"{before}\n  {command[0]}"
    parts = textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * _indent(line, width),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return "\n".join(parts)


def _indent(line: str, width: int) -> int:
    """Spaces before the rest of a wrapped line."""
    places = [found.end() for found in _BETWEEN_COLUMNS.finditer(line)]
    if places and places[-1] <= width // 2:
        return places[-1]
    return len(line) - len(line.lstrip(" ")) + 2
