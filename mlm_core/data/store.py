"""The block store: blocks of token ids on disk, memory-mapped."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlm_core.data.grouping import group_into_blocks
from mlm_core.system.files import digest_of, write_atomically

_ABANDONED = 24 * 3600.0
"""Seconds (one day) after which an unfinished build counts as abandoned."""

_FACTS, _BLOCKS = "store.json", "blocks.bin"


@dataclass(frozen=True)
class StoreFacts:
    """What a store was made from and what it holds.

    Attributes:
        block_size: tokens in a block.
        documents: documents that were tokenised.
        tokens: tokens of these documents, special tokens included, padding not.
        blocks: blocks in the store.
        digest: of the file of blocks; see `digest_of`.
    """

    block_size: int
    documents: int
    tokens: int
    blocks: int
    digest: str

    @property
    def dropped_tokens(self) -> int:
        """Tokens after the last full block, which are in no block."""
        return max(0, self.tokens - self.blocks * self.block_size)

    @property
    def padding(self) -> int:
        """Padding tokens at the end of the last block."""
        return max(0, self.blocks * self.block_size - self.tokens)

    def __str__(self) -> str:
        rest = ""
        if self.dropped_tokens:
            rest = f", the last {self.dropped_tokens} tokens dropped"
        if self.padding:
            rest = f", the last one filled up with {self.padding}"
        return (
            f"{self.documents:,} documents, {self.tokens:,} tokens, "
            f"{self.blocks:,} blocks of {self.block_size}{rest}"
        )


@dataclass(frozen=True, eq=False)
class BlockStore:
    """An open store.

    Attributes:
        facts: what the store holds.
        blocks: `[blocks, block_size]` token ids, little-endian int32, memory-mapped and read-only.
    """

    facts: StoreFacts
    blocks: NDArray[np.int32]


def open_store(directory: Path) -> BlockStore | None:
    """The store in a directory; None: there is none, or its blocks do not match its description."""
    try:
        facts = StoreFacts(**json.loads((directory / _FACTS).read_text(encoding="utf-8")))
        shape = (facts.blocks, facts.block_size)
        if digest_of(directory / _BLOCKS) != facts.digest:
            return None
        if facts.blocks == 0:
            return BlockStore(facts, np.empty(shape, dtype="<i4"))
        return BlockStore(facts, np.memmap(directory / _BLOCKS, dtype="<i4", mode="r", shape=shape))
    except (OSError, ValueError, TypeError):
        return None


def build_store(
    directory: Path,
    pieces: Iterable[NDArray[np.int32]],
    block_size: int,
    *,
    documents: int,
    padding_id: int | None = None,
) -> BlockStore:
    """Group token ids into blocks and write the store; it appears in its place only once it is complete.

    Args:
        directory: the place of the store.
        pieces: token ids, each `[tokens]` int32; see `group_into_blocks`.
        block_size: tokens in a block.
        documents: how many documents the token ids come from.
        padding_id: the token that fills up the last block; None: the last, unfilled block is left out.

    Raises:
        OSError: the store cannot be written.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep(directory.parent)
    building = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        tokens, blocks = _write_blocks(building / _BLOCKS, pieces, block_size, padding_id)
        facts = StoreFacts(
            block_size=block_size,
            documents=documents,
            tokens=tokens,
            blocks=blocks,
            digest=digest_of(building / _BLOCKS),
        )
        write_atomically(building / _FACTS, json.dumps(asdict(facts)).encode())
        _put_in_place(building, directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    store = open_store(directory)
    if store is None:
        raise OSError(f"the block store could not be written to {directory}")
    return store


def _write_blocks(
    path: Path, pieces: Iterable[NDArray[np.int32]], block_size: int, padding_id: int | None
) -> tuple[int, int]:
    """Write the blocks; returns the numbers of tokens and of blocks."""
    tokens = blocks = 0

    def counted() -> Iterable[NDArray[np.int32]]:
        nonlocal tokens
        for piece in pieces:
            tokens += len(piece)
            yield piece

    with path.open("wb") as file:
        for rows in group_into_blocks(counted(), block_size, padding_id):
            file.write(rows.astype("<i4").tobytes())
            blocks += len(rows)
        # Before the rename: after a power cut, a store of the right size must not be full of zeros.
        file.flush()
        os.fsync(file.fileno())
    return tokens, blocks


def _sweep(directory: Path) -> None:
    """Remove what killed builds left behind."""
    for left in directory.glob(".*-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


def _put_in_place(building: Path, directory: Path) -> None:
    try:
        building.rename(directory)
        return
    except OSError:
        # Another process was faster. Its store has the same name, so the same content.
        if open_store(directory) is not None:
            return
    # The store in this place is damaged. Moving it away is one step, removing it is not.
    damaged = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        directory.rename(damaged / directory.name)
        building.rename(directory)
    finally:
        shutil.rmtree(damaged, ignore_errors=True)
