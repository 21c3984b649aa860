"""What each step of the preparation makes of a document, for a person to read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import IGNORED
from mlm_core.compat.model_errors import Phase, explained
from mlm_core.data.document_borders import document_borders
from mlm_core.data.tokenization import token_ids
from mlm_core.metrics.json_values import plain
from mlm_core.training.setup import TrainingSetup


def sample_documents(setup: TrainingSetup, count: int) -> list[dict[str, Any]]:
    """The first training documents: the `raw` row, its `text`, `tokens` and `token_ids`."""
    tokenizer = setup.model.tokenizer
    borders = document_borders(tokenizer, setup.config, setup.model.name)
    found = []
    for index in range(min(count, len(setup.documents))):
        text = setup.documents[index]
        (ids,) = token_ids(tokenizer, [text], borders)
        with explained(Phase.TOKENIZE, setup.model.name):
            tokens = tokenizer.convert_ids_to_tokens(ids)
        raw = plain(setup.documents.raw(index))
        found.append({"raw": raw, "text": text, "tokens": tokens, "token_ids": ids})
    return found


def sample_blocks(setup: TrainingSetup, count: int) -> list[dict[str, Any]]:
    """The first training blocks of the first epoch: `text`, `masked` text, and the tokens `to_guess`."""
    keys = np.arange(min(count, len(setup.train.blocks)))
    if not len(keys):
        return []
    with explained(Phase.TOKENIZE, setup.model.name):
        return _shown_blocks(setup, keys)


def _shown_blocks(setup: TrainingSetup, keys: NDArray[np.int64]) -> list[dict[str, Any]]:
    tokenizer, batch = setup.model.tokenizer, setup.train(keys)
    found = []
    for key, masked, positions, labels in zip(
        keys.tolist(), batch["input_ids"], batch["masked_positions"], batch["labels"], strict=True
    ):
        used = labels != IGNORED
        seen = tokenizer.convert_ids_to_tokens(masked[positions[used]].tolist())
        wanted = tokenizer.convert_ids_to_tokens(labels[used].tolist())
        found.append(
            {
                "block": key,
                "text": tokenizer.decode(setup.train.blocks[key].tolist()),
                "masked": tokenizer.decode(masked.tolist()),
                "to_guess": [
                    {"position": position, "seen": shown, "token": token}
                    for position, shown, token in zip(positions[used].tolist(), seen, wanted, strict=True)
                ],
            }
        )
    return found
