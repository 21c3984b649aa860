"""Documents: a sequence of texts that need not fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from mlm_core.data.fingerprint import fingerprint_of

Rows = NDArray[np.int64]
"""Row numbers of a table, `[n]` int64, counted from 0."""

BATCH = 1000
"""Documents fetched at a time."""


class Texts(Protocol):
    """A table with one text in each row."""

    def __len__(self) -> int: ...

    def fetch(self, rows: Rows) -> list[str]:
        """The texts of these rows, in the order of `rows`."""

    def raw(self, row: int) -> Any:
        """The whole row that the text was taken from."""


class ListedTexts:
    """Texts in memory."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def fetch(self, rows: Rows) -> list[str]:
        """See `Texts.fetch`."""
        return [self._texts[row] for row in rows]

    def raw(self, row: int) -> Any:
        """See `Texts.raw`."""
        return self._texts[row]


class Documents(Sequence[str]):
    """Some rows of a table of texts, in order; each text is fetched when it is needed.

    Attributes:
        fingerprint: blake2b (16 bytes, hex); equal for equal documents that were selected in the same way.
    """

    def __init__(self, texts: Texts, rows: Rows, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._texts = texts
        self._rows = rows

    def select(self, indices: Rows) -> Documents:
        """The documents at these `[n]` int64 indices, in this order."""
        chosen = hashlib.blake2b(indices.astype("<i8").tobytes(), digest_size=16).hexdigest()
        return Documents(self._texts, self._rows[indices], fingerprint_of([self.fingerprint, chosen]))

    def raw(self, index: int) -> Any:
        """The whole row that the document at `index` was taken from."""
        return self._texts.raw(int(self._rows[index]))

    def batches(self) -> Iterator[list[str]]:
        """All documents in order, up to `BATCH` at a time."""
        for start in range(0, len(self._rows), BATCH):
            yield self._texts.fetch(self._rows[start : start + BATCH])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        for batch in self.batches():
            yield from batch

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Documents: ...
    def __getitem__(self, index: int | slice) -> str | Documents:
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        return self._texts.fetch(self._rows[[index]])[0]


def listed_documents(texts: Sequence[str]) -> Documents:
    """Documents from a list in memory; no text may be blank."""
    return Documents(ListedTexts(texts), np.arange(len(texts), dtype=np.int64), fingerprint_of(texts))
