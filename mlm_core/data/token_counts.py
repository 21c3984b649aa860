"""Whether a text suits a tokenizer: how many of its tokens can be masked, and how many are unknown."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np

from mlm_core.batches.masking import MaskingRule
from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.documents import Documents
from mlm_core.data.store import BlockStore, Counted, StoreFacts
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.visible import quantity

_MANY = 0.05
"""Share of unknown tokens above which the text and the tokenizer hardly belong together."""

_LOOKED_AT, _SHOWN = 100, 3
"""Documents in which unknown words are looked for; unknown words that are shown."""

_CHUNK = 4096
"""Blocks that are counted at once."""


def counted_by(tokenizer: Tokenizer, rule: MaskingRule) -> Counted:
    """What to count of a tokenizer's tokens."""
    unknown = tokenizer.unk_token_id
    return Counted(rule.maskable, None if unknown is None else int(unknown))


def token_counts(store: BlockStore, counted: Counted) -> tuple[int, int]:
    """The numbers of maskable and of unknown tokens in a store."""
    if store.facts.maskable is not None and store.facts.unknown is not None:
        return store.facts.maskable, store.facts.unknown
    # The store of an earlier version.
    counts = np.zeros(2, dtype=np.int64)
    for start in range(0, store.facts.blocks, _CHUNK):
        counts += counted(store.blocks[start : start + _CHUNK])
    return int(counts[0]), int(counts[1])


def check_counts(
    part: str,
    documents: Documents,
    tokenizer: Tokenizer,
    facts: StoreFacts,
    counts: tuple[int, int],
    progress: Progress,
) -> None:
    """Refuse a text of which no token can be masked; warn where many are unknown.

    Args:
        part: the part's name, "training" or "held-out".
        documents: the text.
        tokenizer: of the model.
        facts: of the part's store.
        counts: maskable and unknown tokens in it.
        progress: shows the warning.

    Raises:
        RequestError: no token can be masked.
    """
    (maskable, unknown), tokens = counts, facts.blocks * facts.block_size
    if not tokens or (maskable and unknown <= _MANY * tokens):
        return
    unknown_words = _unknown_words(documents, tokenizer) if unknown else ""
    are = "is" if unknown == 1 else "are"
    found = (
        f"{unknown:,} of the {quantity(tokens, 'token')} of the {part} text {are} unknown to the tokenizer"
    )
    why = f"({tokenizer.unk_token}){unknown_words}"
    if not maskable:
        raise RequestError(
            f"no token of the {part} text can be masked: {found} {why}"
            if unknown
            else f"no token of the {part} text can be masked: all {tokens:,} are special tokens",
            code="nothing_to_mask",
            option="--dataset",
            fix="give text in the language and the script of the model's vocabulary, or another --model",
        )
    progress.warn(
        f"{unknown / tokens:.0%} of the tokens of the {part} text are unknown to the tokenizer {why}; "
        "is the model made for this language and script?"
    )


def _unknown_words(documents: Documents, tokenizer: Tokenizer) -> str:
    """The most frequent words that a tokenizer does not know, for a message; "" if none is found."""
    words = Counter(
        word for text in islice(documents, min(_LOOKED_AT, len(documents))) for word in text[:2000].split()
    )
    unknown = [
        word
        for word, _ in words.most_common(200)
        if tokenizer.unk_token_id in tokenizer(word, add_special_tokens=False)["input_ids"]
    ]
    shown = ", ".join(repr(word[:20]) for word in unknown[:_SHOWN])
    return f", for example {shown}" if shown else ""
