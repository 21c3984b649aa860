"""Batches of the plan as `tf.data`, through `prepare_tf_dataset`."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch, BatchAssembler

CHUNK = 2**17
"""Tokens that are assembled at once: a call from TensorFlow into Python takes longer than a small batch."""


def planned_dataset(model: Any, assemble: BatchAssembler, keys: NDArray[np.int64]) -> tf.data.Dataset:
    """The batches of `[batches, batch]` block keys, in that order.

    The dataset behind it has one column, the block keys in plan order; the collator turns a batch of
    them into a batch of masked blocks. `prepare_tf_dataset` drops columns that the model's `call`
    does not name, and tries the collator on single rows: hence the name, and a pure collator.
    """
    rows = datasets.Dataset.from_dict({"block_key": keys.reshape(-1)})

    def collate(examples: list[dict[str, Any]]) -> Batch:
        return assemble(np.array([example["block_key"] for example in examples], dtype=np.int64))

    batch = keys.shape[1]
    at_once = max(1, CHUNK // (batch * assemble.blocks.shape[1])) * batch
    chunks = model.prepare_tf_dataset(rows, batch_size=at_once, shuffle=False, collate_fn=collate)
    return chunks.rebatch(batch, drop_remainder=True)
