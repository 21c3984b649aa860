"""The digest of a batch, and the verifier that computes it from what a model's forward pass received."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from mlm_core.batches.masking import full_width_labels
from mlm_core.batches.plan import PADDING_KEY


def batch_digest(batches: list[Mapping[str, NDArray[Any]]]) -> str:
    """The digest of one global batch, given its micro-batches: blake2b, 16 bytes, as hex.

    It covers the `input_ids` and then the full-width labels, both as little-endian int32, in the order of the
    plan, without padding rows. Equal digests mean equal batches, whatever framework received them.

    Args:
        batches: the micro-batches in order, each with the entries of `Batch`.
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
    """Collects the batches that a model's forward pass receives during one optimizer step."""

    _batches: list[Mapping[str, NDArray[Any]]] = field(default_factory=list)

    def receive(
        self,
        input_ids: NDArray[Any],
        masked_positions: NDArray[Any],
        labels: NDArray[Any],
        block_key: NDArray[Any],
    ) -> None:
        """Record one micro-batch: the arrays that the model itself computes with; shapes as in `Batch`."""
        self._batches.append(
            {
                "input_ids": input_ids,
                "masked_positions": masked_positions,
                "labels": labels,
                "block_key": block_key,
            }
        )

    def digest(self) -> str | None:
        """The digest of the micro-batches since the last call; None: there were none."""
        received, self._batches = self._batches, []
        return batch_digest(received) if received else None
