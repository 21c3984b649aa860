"""The masking rule for a tokenizer, and the checks that the tokenizer can mask and pad."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import MaskingRule
from mlm_core.compat.model_errors import Phase, explained
from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.masking import MaskingConfig
from mlm_core.errors import RequestError
from mlm_core.visible import quantity


def padding_id(tokenizer: Tokenizer, model: str) -> int:
    """The id of the padding token: the tokenizer's own, or else its end token, as in the HF recipe.

    Args:
        tokenizer: a transformers tokenizer.
        model: the model's name in an error.

    Raises:
        RequestError: the tokenizer has neither, nor a separator token.
    """
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id):
        if token is not None:
            return int(token)
    raise RequestError(
        "its tokenizer has no padding token",
        code="no_pad_token",
        option="--model",
        value=model,
        fix="give the tokenizer a pad token",
    )


def check_mask_token(tokenizer: Tokenizer, model: str) -> None:
    """Check that a tokenizer has a mask token of its own; `model` is the model's name in the error.

    Raises:
        RequestError: the tokenizer has no mask token, or pads or answers unknown text with it.
    """
    if tokenizer.mask_token_id is None:
        raise RequestError(
            "its tokenizer has no mask token",
            code="no_mask_token",
            option="--model",
            value=model,
            fix="choose a model trained with masked tokens",
        )
    for name in ("pad_token", "unk_token"):
        if tokenizer.mask_token_id == getattr(tokenizer, f"{name}_id"):
            raise RequestError(
                f"its tokenizer has one token, {tokenizer.mask_token}, as mask_token and as {name}",
                code="no_mask_token",
                option="--model",
                value=model,
                fix="use the tokenizer the model was trained with",
            )


def known_ids(tokenizer: Tokenizer, model: str, vocab_size: int | None = None) -> NDArray[np.int64]:
    """The ids in a tokenizer's vocabulary, ascending; the embedding has a row for each id that it can give.

    Args:
        tokenizer: a transformers tokenizer.
        model: the model's name in an error.
        vocab_size: rows of the model's embedding; None: one for each of the tokenizer's ids.

    Raises:
        RequestError: the tokenizer has an id that the embedding has no row for.
    """
    with explained(Phase.TOKENIZER, model):
        known = np.unique(np.array(list(tokenizer.get_vocab().values()), dtype=np.int64))
        given = {int(known[0]), int(known[-1]), *map(int, tokenizer.all_special_ids)}
    with suppress(Exception):
        # What the tokenizer puts around a text need not be in its vocabulary.
        given |= set(map(int, tokenizer("")["input_ids"]))
    if min(given) < 0:
        raise _mismatch(f"its tokenizer has the id {min(given)}", model)
    rows = int(known[-1]) + 1 if vocab_size is None else vocab_size
    if max(given) >= rows:
        what = "vocabulary" if vocab_size is None else "embedding"
        raise _mismatch(
            f"its tokenizer has ids up to {max(given)}, but its {what} has only {quantity(rows, 'row')}",
            model,
        )
    return known


def _mismatch(message: str, model: str) -> RequestError:
    return RequestError(
        message,
        code="vocabulary_mismatch",
        option="--model",
        value=model,
        fix="use the tokenizer the model was trained with",
    )


def masking_rule(
    tokenizer: Tokenizer, config: MaskingConfig, model: str, vocab_size: int | None = None
) -> MaskingRule:
    """The masking rule for a tokenizer.

    Args:
        tokenizer: a transformers tokenizer.
        config: the masking options.
        model: the model's name in an error.
        vocab_size: rows of the model's embedding; None: one for each of the tokenizer's ids.

    Raises:
        RequestError: the tokenizer has no mask token or only special tokens, or its ids exceed the embedding.
    """
    check_mask_token(tokenizer, model)
    known = known_ids(tokenizer, model, vocab_size)
    if vocab_size is None:
        vocab_size = int(known[-1]) + 1
    maskable = np.ones(vocab_size, dtype=bool)
    maskable[tokenizer.all_special_ids] = False
    words = known[maskable[known]]
    if not len(words):
        raise RequestError(
            "its tokenizer has only special tokens",
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


def rule_digest(rule: MaskingRule) -> str:
    """blake2b digest (16 bytes, hex) of which ids are masked, and by what.

    With equal options it differs where the tokenizer has other special tokens, as the same files can have in
    another version of transformers.
    """
    found = hashlib.blake2b(digest_size=16)
    for part in (np.int64(rule.mask_id), np.packbits(rule.maskable), rule.words.astype("<i8")):
        found.update(part.tobytes())
    return found.hexdigest()
