"""The digest of a batch, and the verifier that computes it from what a model's forward pass received."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import full_width_labels
from mlm_core.batches.plan import PADDING_KEY

Received = Mapping[str, NDArray[Any]]
"""One micro-batch, or a share of its rows, with the entries of `Batch`."""


def batch_digest(batches: list[Received]) -> str:
    """The digest of one global batch, given its micro-batches: blake2b, 16 bytes, as hex.

    It covers the `input_ids` and then the full-width labels, both as little-endian int32, in the order of the
    plan, without padding rows. Equal digests mean equal batches, whatever framework received them, and in
    however many shares.

    Args:
        batches: the micro-batches in order, each with the entries of `Batch`.
    """
    return digest_of_shares([packed([[batch] for batch in batches])])


def packed(micro_batches: Sequence[Sequence[Received]]) -> bytes:
    """One rank's rows of a global batch, to be sent to the others.

    Args:
        micro_batches: of each micro-batch the shares of this rank, in the order of their rows.
    """
    ids, labels, rows = [], [], []
    for shares in micro_batches:
        rows.append(0)
        for share in shares:
            real = share["block_key"] != PADDING_KEY
            ids.append(share["input_ids"][real])
            width = share["input_ids"].shape[1]
            labels.append(full_width_labels(share["masked_positions"][real], share["labels"][real], width))
            rows[-1] += len(ids[-1])
    header = json.dumps({"rows": rows, "width": ids[0].shape[1]}).encode()
    return b"\n".join((header, b"".join(array.astype("<i4").tobytes() for array in (*ids, *labels))))


def digest_of_shares(shares: Sequence[bytes]) -> str:
    """The digest of one global batch, given the rows of each rank, in order, as `packed` writes them."""
    parts = [_unpacked(share) for share in shares]
    digest = hashlib.blake2b(digest_size=16)
    for what in ("ids", "labels"):
        for micro_batch in range(len(parts[0][what])):
            for part in parts:
                digest.update(part[what][micro_batch].tobytes())
    return digest.hexdigest()


def _unpacked(share: bytes) -> dict[str, list[NDArray[np.int32]]]:
    header, _, content = share.partition(b"\n")
    facts = json.loads(header)
    both = np.frombuffer(content, "<i4").reshape(2, -1, facts["width"])
    borders = np.cumsum(facts["rows"])[:-1]
    return {name: np.split(array, borders) for name, array in zip(("ids", "labels"), both, strict=True)}


@dataclass
class BatchVerifier:
    """Collects the batches that a model's forward pass receives during one optimizer step."""

    _received: dict[int, list[Received]] = field(default_factory=dict)

    def receive(
        self,
        input_ids: NDArray[Any],
        masked_positions: NDArray[Any],
        labels: NDArray[Any],
        block_key: NDArray[Any],
        replica: int | NDArray[Any] = 0,
    ) -> None:
        """Record one micro-batch: the arrays that the model itself computes with; shapes as in `Batch`.

        A process with several replicas gives each one's number; they may come in any order.
        """
        self._received.setdefault(int(replica), []).append(
            {
                "input_ids": input_ids,
                "masked_positions": masked_positions,
                "labels": labels,
                "block_key": block_key,
            }
        )

    def take(self) -> bytes:
        """What this process received since the last call, as `packed` writes it; empty: nothing."""
        received, self._received = self._received, {}
        shares = [received[replica] for replica in sorted(received)]
        return packed(list(zip(*shares, strict=True))) if shares else b""

    def digest(self) -> str | None:
        """The digest of what one process alone received since the last call; None: nothing."""
        taken = self.take()
        return digest_of_shares([taken]) if taken else None
