"""A row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Wrong:
    """A wrong input.

    Attributes:
        name: of the test.
        words: of the command. `model`, `run` and `text.jsonl` are in the current directory, and good.
        code: the exit code.
        error: the short name of the error; "": any.
        says: a part of the error's line.
        files: files to write, by path.
        change: harms the directory further.
    """

    name: str
    words: str | list[str]
    error: str = ""
    says: str = ""
    code: int = 2
    files: dict[str, bytes | str] = field(default_factory=dict)
    change: Callable[[Path], None] | None = None

    @property
    def command(self) -> list[str]:
        """The words."""
        return self.words.split() if isinstance(self.words, str) else list(self.words)
