"""Holding out a share of the documents for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlm_core.batches.randomness import Stream, permutation
from mlm_core.data.documents import Documents
from mlm_core.data.errors import dataset_error
from mlm_core.visible import quantity


@dataclass(frozen=True)
class Split:
    """Documents to train on and documents held out, each in their original order."""

    train: Documents
    test: Documents


def split_documents(documents: Documents, test_size: float, seed: int, name: str) -> Split:
    """Hold out a share of the documents, at least one, drawn by the seed.

    Whole documents are split, before tokenization: the two halves of a document are never on both sides.

    Args:
        documents: the documents to split.
        test_size: the share to hold out, between 0 and 1.
        seed: the run's seed.
        name: the documents' name in an error.

    Raises:
        RequestError: there are fewer than two documents.
    """
    if len(documents) < 2:
        message = f"{quantity(len(documents), 'document')}: too few to hold some out for evaluation"
        fix = "give at least two documents (a line of a text file is one)"
        raise dataset_error(name, message, "too_little_data", fix)
    held_out = min(max(1, round(test_size * len(documents))), len(documents) - 1)
    order = permutation(seed, Stream.SPLIT, 0, len(documents))
    return Split(
        train=documents.select(np.sort(order[held_out:])), test=documents.select(np.sort(order[:held_out]))
    )
