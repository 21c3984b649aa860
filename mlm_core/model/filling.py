"""Filling masks: texts in batches, and the most likely tokens from logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch


def rows_of_one_length(ids: Sequence[NDArray[np.int64]], tokens: int) -> Iterator[list[int]]:
    """Group the texts, by number, into batches of equal length and at most `tokens` tokens.

    Equal length needs no padding, so scores do not depend on how a model treats padding.
    """
    by_length: dict[int, list[int]] = {}
    for row, text in enumerate(ids):
        by_length.setdefault(len(text), []).append(row)
    for length, rows in by_length.items():
        at_once = max(1, tokens // length)
        yield from (rows[start : start + at_once] for start in range(0, len(rows), at_once))


def slot_batch(ids: Sequence[NDArray[np.int64]], mask_id: int) -> Batch:
    """The batch of some texts of one length: `input_ids`, and the places of all their masks."""
    masks = [np.flatnonzero(row == mask_id) for row in ids]
    positions = np.zeros((len(ids), max(map(len, masks))), dtype=np.int64)
    for row, found in zip(positions, masks, strict=True):
        row[: len(found)] = found
    return {"input_ids": np.stack(ids), "masked_positions": positions}


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities of the tokens, `[vocabulary]` float64, from their logits."""
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(shifted / shifted.sum())


def ranked(logits: NDArray[np.float32], top_k: int, wanted: NDArray[np.int64]) -> list[tuple[int, float]]:
    """The `top_k` most likely (token, probability) among the wanted tokens."""
    scores = probabilities(logits)
    if len(wanted) > top_k:
        # Sorting the whole vocabulary would take as long as the model.
        chances = scores[wanted]
        wanted = wanted[chances >= np.partition(chances, -top_k)[-top_k]]
    order = wanted[np.argsort(-scores[wanted], kind="stable")[:top_k]]
    return [(int(token), float(scores[token])) for token in order]
