"""Masking: which tokens the model must predict, and which tokens replace them.

Both engines use one function for training and evaluation, on a whole `[batch, block]` array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.randomness import UInt64, integers_below, uniforms

IGNORED = -100
"""The label of an unused slot; the losses of both frameworks ignore it."""

_LAST = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class MaskingRule:
    """How tokens are masked.

    Attributes:
        probability: the share p of the maskable tokens that is masked.
        exact: True: mask floor(p * n + u) of the n maskable tokens of a row, with u uniform in [0, 1) for
            each row; the rate is p on average and the count almost constant, as in RoBERTa's own training.
            False: mask each token independently with probability p.
        replace: the share of the masked tokens that the mask token replaces.
        random: the share of the masked tokens that a random word replaces. The rest is not changed (80%, 10%
            and 10% in Devlin et al., 2018, "BERT").
        mask_id: the mask token's id.
        maskable: `[vocabulary]` bool, False for special tokens.
        words: `[n]` int64, the ids of possible random words: no special tokens, no unused rows of the
            embedding.
    """

    probability: float
    exact: bool
    replace: float
    random: float
    mask_id: int
    maskable: NDArray[np.bool_]
    words: NDArray[np.int64]

    def draws_per_row(self, block_size: int) -> int:
        """Raw draws that `mask_tokens` needs for one row: one for its count, then two for each position."""
        return 1 + 2 * block_size

    def slots(self, block_size: int) -> int:
        """Slots that suffice for the masked tokens of any row of `block_size` tokens.

        ceil(p * block_size) under the exact rule, at least 1. Under the independent rule a whole row can be
        masked, and a static shape needs a slot for every token.
        """
        return max(1, math.ceil(self.probability * block_size)) if self.exact else block_size


@dataclass(frozen=True, eq=False)
class MaskedRows:
    """Masked rows as a model takes them.

    Attributes:
        input_ids: `[batch, block]` int64, with masked tokens replaced.
        masked_positions: `[batch, slots]` int64, ascending; 0 in unused slots.
        labels: `[batch, slots]` int64, the original ids at those positions; -100 in unused slots.
    """

    input_ids: NDArray[np.int64]
    masked_positions: NDArray[np.int64]
    labels: NDArray[np.int64]


def mask_tokens(
    input_ids: NDArray[np.integer],
    draws: UInt64,
    rule: MaskingRule,
    seen: NDArray[np.bool_] | None = None,
) -> MaskedRows:
    """Mask token ids; a pure function of its arguments.

    Args:
        input_ids: `[batch, block]` token ids.
        draws: `[batch, rule.draws_per_row(block)]` raw draws, uint64.
        rule: the masking rule.
        seen: `[batch, block]` bool; a token at False is never masked, like a special token. None: all True.
    """
    block_size = input_ids.shape[1]
    ids = input_ids.astype(np.int64)
    maskable = rule.maskable[ids] if seen is None else rule.maskable[ids] & seen
    chosen = _choose(maskable, draws[:, 0], draws[:, 1 : 1 + block_size], rule)
    rows, columns = np.nonzero(chosen)
    # In row-major order: a token's slot is the number of masked tokens before it in its row.
    counts = chosen.sum(axis=1)
    slots = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    positions = np.zeros((len(ids), rule.slots(block_size)), dtype=np.int64)
    labels = np.full_like(positions, IGNORED)
    originals = ids[rows, columns]
    positions[rows, slots] = columns
    labels[rows, slots] = originals
    ids[rows, columns] = _corrupt(originals, draws[rows, 1 + block_size + columns], rule)
    return MaskedRows(ids, positions, labels)


def full_width_labels(
    masked_positions: NDArray[np.int64], labels: NDArray[np.int64], block_size: int
) -> NDArray[np.int64]:
    """Slot labels (both arguments `[batch, slots]`) at their positions: `[batch, block]` int64, else -100."""
    wide = np.full((len(labels), block_size), IGNORED, dtype=np.int64)
    rows, slots = np.nonzero(labels != IGNORED)
    wide[rows, masked_positions[rows, slots]] = labels[rows, slots]
    return wide


def _choose(
    maskable: NDArray[np.bool_], row_draws: UInt64, position_draws: UInt64, rule: MaskingRule
) -> NDArray[np.bool_]:
    if not rule.exact:
        return maskable & (uniforms(position_draws) < rule.probability)
    candidates = maskable.sum(axis=1)
    counts = np.floor(rule.probability * candidates + uniforms(row_draws)).astype(np.int64)
    counts = np.minimum(counts, np.minimum(candidates, rule.slots(maskable.shape[1])))
    # The draws lose one bit, so that positions that are not maskable (_LAST) always rank last.
    ranked = np.where(maskable, position_draws >> np.uint64(1), _LAST)
    # The positions with the `counts` smallest draws; equal draws in a row are practically impossible.
    ordered = np.pad(np.sort(ranked, axis=1), ((0, 0), (0, 1)), constant_values=_LAST)
    chosen: NDArray[np.bool_] = ranked < np.take_along_axis(ordered, counts[:, None], axis=1)
    return chosen


def _corrupt(ids: NDArray[np.int64], draws: UInt64, rule: MaskingRule) -> NDArray[np.int64]:
    """The tokens that replace masked tokens, given one draw for each."""
    # The upper 32 bits decide between mask token, random word and no change; the lower 32 pick the word.
    band = (draws >> np.uint64(32)) * 2.0**-32
    words = rule.words[integers_below(draws, len(rule.words))]
    masked = np.where(band < rule.replace + rule.random, words, ids)
    return np.where(band < rule.replace, rule.mask_id, masked)
