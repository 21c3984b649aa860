"""The batch as a model takes it, and the proof of what it received."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import IGNORED, MaskingRule, full_width_labels, mask_tokens
from mlm_core.batches.plan import PADDING_KEY, block_of
from mlm_core.batches.randomness import Stream, raw_rows

Batch = dict[str, NDArray[np.int64]]
"""`input_ids [batch, block]`, `masked_positions [batch, slots]`, `labels [batch, slots]` (-100 in
unused slots) and `block_key [batch]` (-1 in padding rows), all int64; with `attention_mask
[batch, block]`, 0 on padding, where the last block was filled up."""


@dataclass(frozen=True, eq=False)
class BatchAssembler:
    """Turns block keys into batches: looks the blocks up and masks them. Pure and stateless.

    Attributes:
        blocks: `[blocks, block]` token ids, usually memory-mapped.
        rule: how tokens are masked.
        seed: the run's seed.
        stream: the masks' stream; training and evaluation never share masks.
        padding: how many tokens at the end of the last block only fill it up.
    """

    blocks: NDArray[np.integer]
    rule: MaskingRule
    seed: int
    stream: Stream
    padding: int = 0

    def __call__(self, keys: NDArray[np.int64]) -> Batch:
        """The batch of `[batch]` block keys; a padding row repeats another row without labels."""
        keys = np.asarray(keys, dtype=np.int64)
        padding = keys == PADDING_KEY
        # Padding rows need some valid text to run on; any row of the batch will do.
        filler = keys[~padding][:1] if not padding.all() else np.zeros(1, dtype=np.int64)
        filled = np.where(padding, filler, keys)
        ids = self.blocks[block_of(filled)]
        draws = raw_rows(self.seed, self.stream, filled, self.rule.draws_per_row(ids.shape[1]))
        rows = mask_tokens(ids, draws, self.rule)
        hidden = padding[:, None]
        batch = {"input_ids": rows.input_ids}
        if self.padding:
            # Only where there is something to hide: without a mask attention is faster.
            batch["attention_mask"] = self._attention_mask(filled)
        return batch | {
            "masked_positions": np.where(hidden, 0, rows.masked_positions),
            "labels": np.where(hidden, IGNORED, rows.labels),
            "block_key": keys,
        }

    def _attention_mask(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        mask = np.ones((len(keys), self.blocks.shape[1]), dtype=np.int64)
        mask[block_of(keys) == len(self.blocks) - 1, -self.padding :] = 0
        return mask


@dataclass(frozen=True, eq=False)
class TimedAssembler(BatchAssembler):
    """Notes how long it has been at work in this process."""

    _made: list[tuple[int, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of all batches together."""
        return sum(seconds for _, seconds in self._made)

    @property
    def seconds_per_row(self) -> float:
        """On average; 0 where none was made."""
        return self.seconds / max(1, sum(rows for rows, _ in self._made))

    def __call__(self, keys: NDArray[np.int64]) -> Batch:
        """See `BatchAssembler`."""
        begun = time.perf_counter()
        batch = super().__call__(keys)
        self._made.append((len(keys), time.perf_counter() - begun))
        return batch


def batch_digest(batches: list[Mapping[str, NDArray[Any]]]) -> str:
    """What the micro-batches of one global batch hold: blake2b, 16 bytes, as hex.

    Over the little-endian int32 `input_ids` and then the full-width labels, in plan order, padding
    rows left out. Equal digests are equal batches, whatever framework received them.
    """
    digest = hashlib.blake2b(digest_size=16)
    real = [batch["block_key"] != PADDING_KEY for batch in batches]
    for batch, rows in zip(batches, real, strict=True):
        digest.update(batch["input_ids"][rows].astype("<i4").tobytes())
    for batch, rows in zip(batches, real, strict=True):
        block_size = batch["input_ids"].shape[1]
        labels = full_width_labels(batch["masked_positions"][rows], batch["labels"][rows], block_size)
        digest.update(labels.astype("<i4").tobytes())
    return digest.hexdigest()


@dataclass
class BatchVerifier:
    """Collects what a model's forward pass receives during one optimizer step."""

    _batches: list[Mapping[str, NDArray[Any]]] = field(default_factory=list)

    def receive(
        self,
        input_ids: NDArray[Any],
        masked_positions: NDArray[Any],
        labels: NDArray[Any],
        block_key: NDArray[Any],
    ) -> None:
        """Note one micro-batch, with the arrays that the model itself works on."""
        self._batches.append(
            {
                "input_ids": input_ids,
                "masked_positions": masked_positions,
                "labels": labels,
                "block_key": block_key,
            }
        )

    def digest(self) -> str | None:
        """The digest of the micro-batches since the last call; None if there were none."""
        received, self._batches = self._batches, []
        return batch_digest(received) if received else None
