"""Documents: a sequence of texts that need not lie in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

BATCH = 1000
"""Documents that are fetched at a time."""


class Texts(Protocol):
    """A table with a text in each row."""

    def __len__(self) -> int: ...

    def fetch(self, rows: Rows) -> list[str]:
        """The texts of these rows."""

    def raw(self, row: int) -> Any:
        """A row as it was before its text was taken from it."""


class ListedTexts:
    """Texts that lie in memory."""

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
    """Some rows of a table of texts, in order, fetched when they are needed.

    Attributes:
        fingerprint: blake2b (16 bytes, hex); equal for equal documents that were chosen alike.
    """

    def __init__(self, texts: Texts, rows: Rows, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._texts = texts
        self._rows = rows

    def select(self, indices: Rows) -> Documents:
        """The documents at these `[n]` indices, in this order."""
        chosen = hashlib.blake2b(indices.astype("<i8").tobytes(), digest_size=16).hexdigest()
        return Documents(self._texts, self._rows[indices], fingerprint_of([self.fingerprint, chosen]))

    def raw(self, index: int) -> Any:
        """The row that a document was taken from."""
        return self._texts.raw(int(self._rows[index]))

    def batches(self) -> Iterator[list[str]]:
        """All documents in order, some at a time."""
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
    """Documents of a list; none may be blank."""
    return Documents(ListedTexts(texts), np.arange(len(texts), dtype=np.int64), fingerprint_of(texts))


class Fingerprint:
    """blake2b (16 bytes, hex) over texts, each with its length, so that their borders count."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, text: str) -> None:
        """Take the next text in.

        Raises:
            UnicodeEncodeError: it holds half of a surrogate pair, which no tokenizer takes either.
        """
        content = text.encode("utf-8")
        self._digest.update(len(content).to_bytes(8, "little"))
        self._digest.update(content)

    def hexdigest(self) -> str:
        """The fingerprint of the texts so far."""
        return self._digest.hexdigest()


def fingerprint_of(texts: Iterable[str]) -> str:
    """The fingerprint of these texts; see `Fingerprint`."""
    fingerprint = Fingerprint()
    for text in texts:
        fingerprint.add(text)
    return fingerprint.hexdigest()
