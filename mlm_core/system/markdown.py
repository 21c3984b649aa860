"""Markdown: tables, and sections of a file that a program writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_MARKUP = re.compile(r"[\\`*\[\]<>|~&#]")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], rule: Sequence[str] | None = None) -> str:
    """A Markdown table.

    Args:
        head: the headings.
        rows: the cells, row by row. A row may be shorter than `head`; its last cells are then empty.
        rule: the cells of the line below the headings, for example "---:" for a column that is aligned to
            the right; None: "---" for every column.
    """
    ruled = f"|{'|'.join(rule or ['---'] * len(head))}|"
    return "\n".join([_line(head, len(head)), ruled, *(_line(row, len(head)) for row in rows)])


def escaped(text: str) -> str:
    """A name from elsewhere as plain text on one line: no link, picture, heading or HTML begins in it."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def replace_section(text: str, name: str, content: str) -> str:
    """Replace what stands between `<!-- name -->` and `<!-- end of name -->`.

    Raises:
        ValueError: the text does not contain these two comments in this order.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"the text does not contain {begin} and {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def update_section(path: Path, name: str, content: str) -> None:
    """Replace a section of a file; see `replace_section`."""
    path.write_text(replace_section(path.read_text(encoding="utf-8"), name, content), encoding="utf-8")


def _line(cells: Sequence[str], columns: int) -> str:
    return f"| {' | '.join(cells)} |" + " |" * (columns - len(cells))
