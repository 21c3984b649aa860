"""What masking needs to know of a tokenizer."""

from __future__ import annotations

import numpy as np

from mlm_core.batches.masking import MaskingRule
from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.config import MaskingConfig
from mlm_core.errors import RequestError


def padding_id(tokenizer: Tokenizer, model: str) -> int:
    """The token that fills rows up: the tokenizer's own, else, as in the guide, its end token.

    Raises:
        RequestError: it has neither.
    """
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id):
        if token is not None:
            return int(token)
    raise RequestError(
        "its tokenizer has no token to fill rows up with",
        code="no_pad_token",
        option="--model",
        value=model,
        fix="give the tokenizer a pad token",
    )


def check_mask_token(tokenizer: Tokenizer, model: str) -> None:
    """Refuse a tokenizer without a mask token.

    Raises:
        RequestError: it has none.
    """
    if tokenizer.mask_token_id is None:
        raise RequestError(
            "its tokenizer has no mask token",
            code="no_mask_token",
            option="--model",
            value=model,
            fix="choose a model trained with masked tokens",
        )


def masking_rule(
    tokenizer: Tokenizer, config: MaskingConfig, model: str, vocab_size: int | None = None
) -> MaskingRule:
    """The masking rule for a tokenizer, over the `vocab_size` rows of the model's embedding.

    Without a `vocab_size` it is as large as the tokenizer's ids.

    Raises:
        RequestError: the tokenizer has no mask token or no words, or knows ids that the model does not.
    """
    check_mask_token(tokenizer, model)
    known = np.array(sorted(set(tokenizer.get_vocab().values())), dtype=np.int64)
    if vocab_size is None:
        vocab_size = int(known[-1]) + 1
    if known[-1] >= vocab_size:
        raise RequestError(
            f"its tokenizer has ids up to {known[-1]}, its embedding only {vocab_size} rows",
            code="vocabulary_mismatch",
            option="--model",
            value=model,
            fix="use the tokenizer the model was trained with",
        )
    maskable = np.ones(vocab_size, dtype=bool)
    maskable[tokenizer.all_special_ids] = False
    words = known[maskable[known]]
    if not len(words):
        raise RequestError(
            "its tokenizer knows special tokens only",
            code="no_words",
            option="--model",
            value=model,
            fix="check its vocabulary file",
        )
    return MaskingRule(
        probability=config.mlm_probability,
        exact=config.masking == "exact",
        replace=config.mask_replace_prob,
        random=config.random_replace_prob,
        mask_id=int(tokenizer.mask_token_id),
        maskable=maskable,
        words=words,
    )
