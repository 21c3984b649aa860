"""Facts, one JSON object a line, written as soon as they are found."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Fact = dict[str, Any]
"""A fact: its kind under "fact", and its values."""

FILE = "facts.jsonl"


class Facts:
    """A file of facts. Several processes may write to it.

    Args:
        directory: where the file is, or will be.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE

    def write(self, kind: str, **values: Any) -> None:
        """Append a fact and print it."""
        line = json.dumps({"fact": kind, **values})
        print(line if len(line) < 400 else f"{line[:400]} ...", flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_facts(path: Path) -> list[Fact]:
    """All facts of a file, in their order; a last line that was cut off is left out."""
    return list(_parsed(path.read_text(encoding="utf-8").splitlines()))


def _parsed(lines: Iterable[str]) -> Iterable[Fact]:
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
