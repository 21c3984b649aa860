"""The block store: blocks of token ids on disk."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from mlm_core.data.block_file import BlockFile
from mlm_core.data.grouping import group_into_blocks
from mlm_core.system.files import digest_of, write_atomically
from mlm_core.system.json_files import BadJsonError, checked, read_json
from mlm_core.visible import quantity

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
        maskable: tokens in the blocks that may be masked; None: not counted, by an earlier version.
        unknown: tokens in the blocks that stand for text that the tokenizer does not know; None: not counted.
    """

    block_size: int
    documents: int
    tokens: int
    blocks: int
    digest: str
    maskable: int | None = None
    unknown: int | None = None

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
            rest = f", the last {quantity(self.dropped_tokens, 'token')} dropped"
        if self.padding:
            rest = f", the last one filled up with {self.padding}"
        return (
            f"{quantity(self.documents, 'document')}, {quantity(self.tokens, 'token')}, "
            f"{quantity(self.blocks, 'block')} of {self.block_size}{rest}"
        )


@dataclass(frozen=True, eq=False)
class BlockStore:
    """An open store.

    Attributes:
        facts: what the store holds.
        blocks: `[blocks, block_size]` token ids, little-endian int32.
    """

    facts: StoreFacts
    blocks: BlockFile


@dataclass(frozen=True, eq=False)
class Counted:
    """What is counted of the tokens in the blocks.

    Attributes:
        maskable: `[vocabulary]` bool, whether an id may be masked.
        unknown: the id that stands for text that the tokenizer does not know; None: it has none.
    """

    maskable: NDArray[np.bool_]
    unknown: int | None

    def __call__(self, blocks: NDArray[np.int32]) -> NDArray[np.int64]:
        """The numbers of maskable and of unknown tokens in blocks.

        Raises:
            IndexError: an id is not in the vocabulary.
        """
        unknown = 0 if self.unknown is None else np.count_nonzero(blocks == self.unknown)
        return np.array([np.count_nonzero(self.maskable[blocks]), unknown])


def open_store(directory: Path) -> BlockStore | None:
    """The store in a directory; None: there is none, or its blocks do not match its description."""
    try:
        facts = checked(read_json(directory / _FACTS), StoreFacts)
        if facts.block_size < 1 or facts.blocks < 0:
            return None
        blocks = BlockFile(directory / _BLOCKS, facts.blocks, facts.block_size)
        return BlockStore(facts, blocks) if blocks.digest() == facts.digest else None
    except (OSError, BadJsonError):
        return None


def build_store(
    directory: Path,
    pieces: Iterable[NDArray[np.int32]],
    block_size: int,
    *,
    documents: int,
    padding_id: int | None = None,
    counted: Counted | None = None,
) -> BlockStore:
    """Group token ids into blocks and write the store; it appears in its place only once it is complete.

    Args:
        directory: the place of the store.
        pieces: token ids, each `[tokens]` int32; see `group_into_blocks`.
        block_size: tokens in a block.
        documents: how many documents the token ids come from.
        padding_id: the token that fills up the last block; None: the last, unfilled block is left out.
        counted: what to count; None: nothing.

    Raises:
        OSError: the store cannot be written.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep(directory.parent)
    building = _new_directory(directory)
    try:
        tokens, blocks, counts = _write_blocks(building / _BLOCKS, pieces, block_size, padding_id, counted)
        facts = StoreFacts(
            block_size=block_size,
            documents=documents,
            tokens=tokens,
            blocks=blocks,
            digest=digest_of(building / _BLOCKS),
            maskable=int(counts[0]) if counted is not None else None,
            unknown=int(counts[1]) if counted is not None else None,
        )
        write_atomically(building / _FACTS, json.dumps(asdict(facts)).encode())
        _put_in_place(building, directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    store = open_store(directory)
    if store is None:
        raise OSError(f"the block store could not be written to {directory}")
    return store


def _new_directory(directory: Path) -> Path:
    """Make a hidden directory beside one, with the modes of the user's umask; mkdtemp's are private."""
    made = directory.with_name(f".{directory.name}-{uuid4().hex[:8]}")
    made.mkdir()
    return made


def _write_blocks(
    path: Path,
    pieces: Iterable[NDArray[np.int32]],
    block_size: int,
    padding_id: int | None,
    count: Counted | None,
) -> tuple[int, int, NDArray[np.int64]]:
    """Write the blocks; returns the numbers of tokens and of blocks, and what is counted in them."""
    tokens = blocks = 0
    counts = np.zeros(2, dtype=np.int64)

    def counted() -> Iterable[NDArray[np.int32]]:
        nonlocal tokens
        for piece in pieces:
            tokens += len(piece)
            yield piece

    with path.open("wb") as file:
        for rows in group_into_blocks(counted(), block_size, padding_id):
            file.write(rows.astype("<i4").tobytes())
            blocks += len(rows)
            if count is not None:
                counts += count(rows)
        # Before the rename: after a power cut, a store of the right size must not be full of zeros.
        file.flush()
        os.fsync(file.fileno())
    return tokens, blocks, counts


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
    damaged = _new_directory(directory)
    try:
        directory.rename(damaged / directory.name)
        building.rename(directory)
    finally:
        shutil.rmtree(damaged, ignore_errors=True)
