"""Grouping token ids into blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def group_into_blocks(
    pieces: Iterable[NDArray[np.int32]], block_size: int, padding_id: int | None = None
) -> Iterator[NDArray[np.int32]]:
    """Concatenate token ids and cut them every `block_size` tokens, as `group_texts` of the HF recipe does.

    The remainder of each piece is carried over to the next, so the blocks depend only on the order of the
    tokens, not on how the tokens are cut into pieces. Linear in the number of tokens.

    Args:
        pieces: token ids, each `[tokens]` int32, special tokens included.
        block_size: tokens in a block.
        padding_id: the token that fills up the last block; None: the tokens after the last full block are
            left out.

    Yields:
        Blocks as soon as they are full, `[n, block_size]` int32 with n >= 1.
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
