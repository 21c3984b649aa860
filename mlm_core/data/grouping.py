"""Tokenised documents to blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def group_into_blocks(
    pieces: Iterable[NDArray[np.int32]], block_size: int, padding_id: int | None = None
) -> Iterator[NDArray[np.int32]]:
    """Join token ids end to end and cut them every `block_size` tokens.

    What is left of one piece is carried to the next, so the blocks depend on the order of the
    tokens only, not on how they are cut into pieces. Linear in the number of tokens.

    Args:
        pieces: token ids, each `[tokens]`, special tokens included.
        block_size: tokens in a block.
        padding_id: what fills the last block up; None: the tokens after the last full block are left out.

    Yields:
        Arrays `[n, block_size]` int32, n >= 1: blocks as soon as they are full.
    """
    pending = np.empty(0, dtype=np.int32)
    for piece in pieces:
        pending = np.concatenate([pending, piece]).astype(np.int32, copy=False)
        full = len(pending) // block_size * block_size
        if full:
            yield pending[:full].reshape(-1, block_size)
            pending = pending[full:]
    if len(pending) and padding_id is not None:
        filling = np.full(block_size - len(pending), padding_id, dtype=np.int32)
        yield np.concatenate([pending, filling]).reshape(1, block_size)
