"""Masking: which tokens the model must guess, and what stands in their place.

One function for both engines, training and evaluation, on a whole `[batch, block]` array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.randomness import UInt64, integers_below, uniforms

IGNORED = -100
"""The label of a slot that holds no masked token; both frameworks' losses skip it."""

_LAST = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class MaskingRule:
    """How tokens are masked.

    Attributes:
        probability: share of the maskable tokens that is masked.
        exact: mask floor(p*n + u) tokens of a row of n (u uniform per row: the rate is p on average
            and the count almost constant; RoBERTa's own training did this), or else each token
            independently with probability p.
        replace, random: shares of the masked tokens that become the mask token or a random word;
            the rest stays as it is (80/10/10 in Devlin et al., 2018, "BERT").
        mask_id: the mask token's id.
        maskable: `[vocabulary]` bool, False for special tokens.
        words: `[n]` int64, the ids a random word is drawn from: no special tokens, no unused rows.
    """

    probability: float
    exact: bool
    replace: float
    random: float
    mask_id: int
    maskable: NDArray[np.bool_]
    words: NDArray[np.int64]

    def draws_per_row(self, block_size: int) -> int:
        """Raw draws that `mask_tokens` takes for one row: its count, then two per position."""
        return 1 + 2 * block_size

    def slots(self, block_size: int) -> int:
        """Slots in which every masked token of any row of `block_size` has a place.

        ceil(p * block) under the exact rule; under the independent one all of a row can be masked,
        and a static shape must have room for that.
        """
        return max(1, math.ceil(self.probability * block_size)) if self.exact else block_size


@dataclass(frozen=True, eq=False)
class MaskedRows:
    """Masked rows, as a model takes them.

    Attributes:
        input_ids: `[batch, block]` int64, corrupted.
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
    """Mask `[batch, block]` token ids by `[batch, rule.draws_per_row(block)]` raw draws.

    Tokens where `seen` `[batch, block]` is False are left alone, like special ones.
    """
    block_size = input_ids.shape[1]
    ids = input_ids.astype(np.int64)
    maskable = rule.maskable[ids] if seen is None else rule.maskable[ids] & seen
    chosen = _choose(maskable, draws[:, 0], draws[:, 1 : 1 + block_size], rule)
    rows, columns = np.nonzero(chosen)
    # Row by row in ascending order: a token's slot is how many of its row come before it.
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
    """Slot labels spread over their positions: `[batch, block]` int64, -100 where unmasked."""
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
    # One bit less than the filler, so that a protected position always ranks last.
    ranked = np.where(maskable, position_draws >> np.uint64(1), _LAST)
    # Chosen is what comes before the first draw that is not; two draws of a row are as good as never equal.
    ordered = np.pad(np.sort(ranked, axis=1), ((0, 0), (0, 1)), constant_values=_LAST)
    chosen: NDArray[np.bool_] = ranked < np.take_along_axis(ordered, counts[:, None], axis=1)
    return chosen


def _corrupt(ids: NDArray[np.int64], draws: UInt64, rule: MaskingRule) -> NDArray[np.int64]:
    """What stands in the place of masked tokens, given a draw each."""
    # The bands of one uniform number from the upper bits; the word comes from the lower 32.
    band = (draws >> np.uint64(32)) * 2.0**-32
    words = rule.words[integers_below(draws, len(rule.words))]
    masked = np.where(band < rule.replace + rule.random, words, ids)
    return np.where(band < rule.replace, rule.mask_id, masked)
