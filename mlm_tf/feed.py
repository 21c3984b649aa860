"""The batches of the plan as a `tf.data.Dataset`, through `prepare_tf_dataset`."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch, BatchAssembler

CHUNK = 2**17
"""Tokens per call: a call from TensorFlow into Python takes longer than assembling a small batch."""


def planned_dataset(model: Any, assemble: BatchAssembler, keys: NDArray[np.int64]) -> tf.data.Dataset:
    """The batches of block keys `[batches, batch]`, in that order.

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
    return chunks.rebatch(batch, drop_remainder=True)
