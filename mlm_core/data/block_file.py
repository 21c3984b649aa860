"""The file of blocks of a store, read block by block.

It is not mapped into memory: if a mapped file is cut short, touching the lost part kills the process, and if
its content changes, nobody notices. Here each reading checks that the file is still the one that was
verified.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.errors import RunError

_TOKEN = np.dtype("<i4")
_CHUNK = 2**24
"""Bytes that are hashed at once."""

_State = tuple[int, int, int]


class BlockFile:
    """Blocks of token ids in a file, indexed like an array `[blocks, block_size]` of little-endian int32.

    The file stays open. If another process replaces it at its path, this one reads on in the old file.

    Args:
        path: the file.
        blocks: how many it holds.
        block_size: tokens in a block.

    Attributes:
        shape: `(blocks, block_size)`.
        failure: why a reading failed; None: none has. A framework may hide an exception that a batch raises.

    Raises:
        OSError: the file cannot be opened, or has another size.
    """

    def __init__(self, path: Path, blocks: int, block_size: int) -> None:
        self.shape = (blocks, block_size)
        self.failure: RunError | None = None
        self._path = path
        self._lock = threading.Lock()
        self._row_bytes = block_size * _TOKEN.itemsize
        self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._state = self._now()
        if self._state[0] != blocks * self._row_bytes:
            raise OSError(None, "has another size than its store says", str(path))
        self._digest: str | None = None

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            os.close(handle)

    def digest(self) -> str:
        """blake2b digest of the whole file (16 bytes, hex); what is read later must still match it.

        Raises:
            OSError: the file cannot be read.
        """
        self._state = self._now()
        self._digest = self._hashed()
        return self._digest

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.int32]:
        """The blocks at an index: a number, a slice or an array of numbers.

        Raises:
            IndexError: there is no such block.
            RunError: the file cannot be read, or has changed.
        """
        if isinstance(index, slice):
            index = np.arange(self.shape[0])[index]
        numbers = np.atleast_1d(np.asarray(index, dtype=np.int64))
        if numbers.size and (numbers.min() < 0 or numbers.max() >= self.shape[0]):
            raise IndexError(f"there are {self.shape[0]} blocks")
        try:
            rows = self._read(numbers)
            self._check_unchanged()
        except OSError as error:
            self.failure = self._failed(f"cannot be read ({error.strerror or error})")
            raise self.failure from None
        return rows[0] if np.ndim(index) == 0 else rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All blocks."""
        return np.asarray(self[:], dtype=dtype)

    def tolist(self) -> list[list[int]]:
        """All blocks as lists."""
        found: list[list[int]] = self[:].tolist()
        return found

    def _read(self, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        rows = np.empty((len(numbers), self.shape[1]), dtype=_TOKEN)
        buffers, size = rows.data.cast("B") if rows.size else memoryview(b""), self._row_bytes
        for place, number in enumerate(numbers.tolist()):
            read = os.preadv(self._handle, [buffers[place * size : (place + 1) * size]], number * size)
            if read != size:
                raise self._changed("is shorter than it was")
        return rows

    def _check_unchanged(self) -> None:
        if self._now() == self._state or self._digest is None:
            return
        with self._lock:
            # Only its date may be another, or its content.
            before = self._now()
            if self._hashed() != self._digest or self._now() != before:
                raise self._changed("has changed since it was read first")
            self._state = before

    def _changed(self, what: str) -> RunError:
        self.failure = self._failed(what)
        return self.failure

    def _failed(self, what: str) -> RunError:
        return RunError(
            f"the prepared text {what}",
            code="changed_store",
            value=str(self._path),
            fix="start again with --resume: the text is prepared again, and the run goes on from its newest "
            "checkpoint",
        )

    def _now(self) -> _State:
        status = os.fstat(self._handle)
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _hashed(self) -> str:
        found, place = hashlib.blake2b(digest_size=16), 0
        while chunk := os.pread(self._handle, _CHUNK, place):
            found.update(chunk)
            place += len(chunk)
        return found.hexdigest()
