"""Texts that are read a second time, from a copy in the cache, must be what they were the first time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.data.documents import Rows, Texts
from mlm_core.errors import MlmError, RunError, first_line


def mark(text: str) -> int:
    """A number that tells a text from another one within this process."""
    return hash(text)


class CheckedTexts:
    """A table of texts, each compared with what it was when it was read first.

    The table is mapped into memory: whatever writes into its file changes what is read.

    Args:
        texts: the table.
        marks: `[rows]` int64, the `mark` of each row's text.
    """

    def __init__(self, texts: Texts, marks: NDArray[np.int64]) -> None:
        self._texts = texts
        self._marks = marks

    def __len__(self) -> int:
        return len(self._texts)

    def fetch(self, rows: Rows) -> list[str]:
        """See `Texts.fetch`.

        Raises:
            RunError: a text has changed since it was read first.
        """
        try:
            found = self._texts.fetch(rows)
        except (MlmError, OSError, MemoryError):
            raise
        except Exception as error:
            # It could be read before.
            raise _changed(f" ({first_line(error)})") from None
        if any(mark(text) != known for text, known in zip(found, self._marks[rows].tolist(), strict=True)):
            raise _changed()
        return found

    def raw(self, row: int) -> Any:
        """See `Texts.raw`."""
        return self._texts.raw(row)


def _changed(reason: str = "") -> RunError:
    return RunError(
        f"the copy of the text in the cache has changed since it was read first{reason}",
        code="changed_store",
        fix="start again: the text is prepared again",
    )
