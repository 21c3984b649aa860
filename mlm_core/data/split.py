"""Training and test documents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlm_core.batches.randomness import Stream, permutation
from mlm_core.data.documents import Documents
from mlm_core.errors import RequestError


@dataclass(frozen=True)
class Split:
    """Documents to train on and documents held out, each in their original order."""

    train: Documents
    test: Documents


def split_documents(documents: Documents, test_size: float, seed: int, name: str) -> Split:
    """Hold out a share of the documents (at least one), drawn by the seed.

    Splitting whole documents before they are tokenised keeps a document's two halves from landing
    on both sides. `name` is what an error calls them.

    Raises:
        RequestError: there are fewer than two documents.
    """
    if len(documents) < 2:
        raise RequestError(
            f"{len(documents)} document(s) are too few to hold some out for evaluation",
            code="too_little_data",
            option="--dataset",
            value=name,
            fix="give at least two documents (a line of a text file is one)",
        )
    held_out = min(max(1, round(test_size * len(documents))), len(documents) - 1)
    order = permutation(seed, Stream.SPLIT, 0, len(documents))
    return Split(
        train=documents.select(np.sort(order[held_out:])), test=documents.select(np.sort(order[:held_out]))
    )
