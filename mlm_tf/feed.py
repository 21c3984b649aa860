"""The batches of the plan as a `tf.data.Dataset`, through `prepare_tf_dataset`."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch, BatchAssembler
from mlm_core.batches.plan import PADDING_KEY
from mlm_core.ranks.ranks import rows_of

CHUNK = 2**17
"""Tokens per call: a call from TensorFlow into Python takes longer than assembling a small batch."""


def distributed_dataset(
    model: Any,
    assemble: BatchAssembler,
    keys: NDArray[np.int64],
    micro_batches: int,
    strategy: tf.distribute.Strategy,
) -> Any:
    """The batches of block keys `[batches, batch]`, in that order; each replica gets its rows of them.

    With several replicas the dataset has no end: ranks would ask each other at every step for one.
    """
    count = strategy.num_replicas_in_sync
    if count == 1:
        return planned_dataset(model, assemble, keys)
    parts = keys.reshape(len(keys), micro_batches, -1)

    def own(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = count // context.num_input_pipelines
        first = context.input_pipeline_id * local
        shares = [_share(parts, first + place, count) for place in range(local)]
        return planned_dataset(model, assemble, np.concatenate(shares, axis=1), shares[0].shape[1]).repeat()

    return strategy.distribute_datasets_from_function(own)


def _share(parts: NDArray[np.int64], place: int, count: int) -> NDArray[np.int64]:
    """One replica's block keys `[batches, rows]` of `[batches, micro-batches, rows]`.

    All replicas have as many: shapes are static. A share with fewer rows is filled up with padding rows.
    """
    own = parts[:, :, rows_of(place, count, parts.shape[2])]
    lacking = -(-parts.shape[2] // count) - own.shape[2]
    filled = np.pad(own, ((0, 0), (0, 0), (0, lacking)), constant_values=PADDING_KEY)
    return filled.reshape(len(parts), -1)


def planned_dataset(
    model: Any, assemble: BatchAssembler, keys: NDArray[np.int64], rows_at_once: int | None = None
) -> tf.data.Dataset:
    """The batches of block keys `[batches, batch]`, in that order, each cut into parts of so many rows.

    None: not cut.

    The underlying dataset has one column, the block keys in plan order; the collator turns a batch of keys
    into a batch of masked blocks. `prepare_tf_dataset` drops columns that the model's `call` does not name,
    so the column is called `block_key`; it also tries the collator on single rows, so the collator has no
    state.
    """
    rows = datasets.Dataset.from_dict({"block_key": keys.reshape(-1)})

    def collate(examples: list[dict[str, Any]]) -> Batch:
        return assemble(np.array([example["block_key"] for example in examples], dtype=np.int64))

    batch = keys.shape[1]
    at_once = max(1, CHUNK // (batch * assemble.blocks.shape[1])) * batch
    chunks = model.prepare_tf_dataset(rows, batch_size=at_once, shuffle=False, collate_fn=collate)
    # `prepare_tf_dataset` prefetches chunks; of what is cut from them, two are ready before they are wanted.
    return chunks.rebatch(rows_at_once or batch, drop_remainder=True).prefetch(2)
