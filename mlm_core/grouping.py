"""Tokenised documents to blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def group_into_blocks(documents: Iterable[list[int]], block_size: int) -> Iterator[NDArray[np.int32]]:
    """Join documents end to end and cut them every `block_size` tokens.

    Tails are carried from document to document, so the blocks depend on the documents' order only;
    the tokens after the last full block are dropped. Linear in the number of tokens.

    Args:
        documents: token ids of each document, special tokens included.
        block_size: tokens in a block.

    Yields:
        Arrays `[n, block_size]` int32, n >= 1: blocks as soon as they are full.
    """
    pending: list[int] = []
    for document in documents:
        pending.extend(document)
        full = len(pending) // block_size * block_size
        if full:
            yield np.array(pending[:full], dtype=np.int32).reshape(-1, block_size)
            pending = pending[full:]
