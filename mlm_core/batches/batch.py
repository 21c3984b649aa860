"""The batch as a model takes it, assembled from blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import IGNORED, MaskingRule, mask_tokens
from mlm_core.batches.plan import PADDING_KEY, block_of
from mlm_core.batches.randomness import Stream, raw_rows

Batch = dict[str, NDArray[np.int64]]
"""`input_ids [batch, block]`, `masked_positions [batch, slots]`, `labels [batch, slots]` (-100 in unused
slots) and `block_key [batch]` (-1 in padding rows), all int64. If the last block is padded, also
`attention_mask [batch, block]`, int64, 0 at padding tokens."""


class Blocks(Protocol):
    """Blocks of token ids, `[blocks, block]`: an array, or a file that is read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of blocks, tokens in a block."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...

    def tolist(self) -> Any:
        """All blocks as lists."""


@dataclass(frozen=True, eq=False)
class BatchAssembler:
    """Turns block keys into batches: looks up the blocks and masks them. Pure and stateless.

    Attributes:
        blocks: `[blocks, block]` token ids, usually in a file.
        rule: how tokens are masked.
        seed: the run's seed.
        stream: the stream of random numbers for the masks; training and evaluation never share masks.
        padding: padding tokens at the end of the last block.
    """

    blocks: Blocks
    rule: MaskingRule
    seed: int
    stream: Stream
    padding: int = 0

    def __call__(self, keys: NDArray[np.int64]) -> Batch:
        """The batch of `[batch]` int64 block keys; a padding row repeats another row, without labels."""
        keys = np.asarray(keys, dtype=np.int64)
        padding = keys == PADDING_KEY
        # A padding row needs valid text; any row of the batch serves.
        filler = keys[~padding][:1] if not padding.all() else np.zeros(1, dtype=np.int64)
        filled = np.where(padding, filler, keys)
        ids = self.blocks[block_of(filled)]
        draws = raw_rows(self.seed, self.stream, filled, self.rule.draws_per_row(ids.shape[1]))
        rows = mask_tokens(ids, draws, self.rule)
        hidden = padding[:, None]
        batch = {"input_ids": rows.input_ids}
        if self.padding:
            # Only where there is padding: attention is faster without a mask.
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
    """An assembler that measures its own time in this process."""

    _made: list[tuple[int, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds spent on all batches."""
        return sum(seconds for _, seconds in self._made)

    @property
    def seconds_per_row(self) -> float:
        """Mean seconds per row; 0 before the first batch."""
        return self.seconds / max(1, sum(rows for rows, _ in self._made))

    def __call__(self, keys: NDArray[np.int64]) -> Batch:
        """See `BatchAssembler`."""
        begun = time.perf_counter()
        batch = super().__call__(keys)
        self._made.append((len(keys), time.perf_counter() - begun))
        return batch
