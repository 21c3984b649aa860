"""Tokenizers: loading one, training one, and what masking needs to know of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mlm_core.config import MaskingConfig
from mlm_core.errors import RequestError
from mlm_core.masking import MaskingRule
from mlm_core.sources import fingerprint_of

Tokenizer = Any
"""A transformers tokenizer; the library has no types to name here."""

_BATCH = 1000


def train_tokenizer(documents: Iterable[str], vocabulary: int, model_max_length: int) -> Tokenizer:
    """A byte-level BPE tokenizer in RoBERTa's manner, trained on the documents.

    Args:
        documents: the text to learn from.
        vocabulary: most tokens to learn, special ones included.
        model_max_length: longest input of the model, in tokens.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers
    from transformers import RobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(documents, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return RobertaTokenizerFast(tokenizer_object=backend, model_max_length=model_max_length)


def tokenize(tokenizer: Tokenizer, documents: Iterable[str]) -> Iterator[list[int]]:
    """The token ids of each document, whole, with its special tokens.

    The fast tokenizers use every core by themselves.
    """
    remaining = iter(documents)
    while batch := list(islice(remaining, _BATCH)):
        yield from tokenizer(
            batch, truncation=False, padding=False, return_attention_mask=False, verbose=False
        )["input_ids"]


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """A hash of everything that decides a tokenizer's output."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    name = f"{type(tokenizer).__name__} {version('tokenizers')}"
    if backend is not None:
        return fingerprint_of([name, backend.to_str()])
    # A slow tokenizer has no one description; its files have all of it.
    with tempfile.TemporaryDirectory() as directory:
        tokenizer.save_pretrained(directory)
        files = sorted(Path(directory).iterdir())
        return fingerprint_of([name, *(f"{path.name} {path.read_bytes().hex()}" for path in files)])


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


def masking_rule(tokenizer: Tokenizer, config: MaskingConfig, vocab_size: int, model: str) -> MaskingRule:
    """The masking rule for a tokenizer, over the `vocab_size` rows of the model's embedding.

    Raises:
        RequestError: the tokenizer has no mask token, or knows ids that the model does not.
    """
    check_mask_token(tokenizer, model)
    known = np.array(sorted(set(tokenizer.get_vocab().values())), dtype=np.int64)
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
    return MaskingRule(
        probability=config.mlm_probability,
        exact=config.masking == "exact",
        replace=config.mask_replace_prob,
        random=config.random_replace_prob,
        mask_id=int(tokenizer.mask_token_id),
        maskable=maskable,
        words=known[maskable[known]],
    )
