"""Texts to token ids, with transformers or with the tokenizer's backend alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.compat.model_errors import Phase, explained
from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.document_borders import DocumentBorders
from mlm_core.data.long_documents import AT_ONCE, Encode, encode_long

TokenIds = NDArray[np.int32]
"""Token ids of several texts, one after the other, `[tokens]` int32."""


def token_ids(tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders) -> list[list[int]]:
    """The token ids of each text with its borders; no text is truncated."""
    with explained(Phase.TOKENIZE, str(getattr(tokenizer, "name_or_path", ""))):
        encoded: list[list[int]] = tokenizer(
            texts,
            add_special_tokens=borders.special,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
    return _with_separators(encoded, borders)


def backend_of(tokenizer: Tokenizer) -> Any | None:
    """A copy of a fast tokenizer's backend (a `tokenizers.Tokenizer`), set up as for `token_ids`.

    Returns:
        The copy; None: the tokenizer is a slow one, or cannot be copied.
    """
    if not tokenizer.is_fast:
        return None
    import tokenizers

    try:
        backend = tokenizers.Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    except Exception:
        # A part of it is written in Python, as in RoFormer's; the library has no exception for that.
        return None
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = splits_special_tokens(tokenizer)
    return backend


def splits_special_tokens(tokenizer: Tokenizer) -> bool:
    """Whether a special token's name inside a text is treated as ordinary text."""
    return bool(getattr(tokenizer, "split_special_tokens", False))


def sufficient_backend(tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders) -> Any | None:
    """A tokenizer's backend, if it gives these texts the same token ids without transformers; else None."""
    backend = backend_of(tokenizer)
    wanted = token_ids(tokenizer, texts, borders)
    if backend is None or backend_token_ids(backend, texts, borders) != wanted:
        return None
    return backend


def backend_token_ids(backend: Any, texts: list[str], borders: DocumentBorders) -> list[list[int]]:
    """The token ids of each text with its borders, from a backend alone.

    Equal to `token_ids` for most fast tokenizers; `sufficient_backend` tells.
    """
    encodings = backend.encode_batch_fast(texts, add_special_tokens=borders.special)
    return _with_separators([encoding.ids for encoding in encodings], borders)


def _with_separators(encoded: list[list[int]], borders: DocumentBorders) -> list[list[int]]:
    after = [] if borders.separator is None else [borders.separator]
    return [ids + after for ids in encoded]


def joined_token_ids(tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders) -> TokenIds:
    """The token ids of all texts, one after the other, `[tokens]` int32."""
    with explained(Phase.TOKENIZE, str(getattr(tokenizer, "name_or_path", ""))):
        return joined_in_parts(lambda part: token_ids(tokenizer, part, borders), texts)


def joined_in_parts(encode: Encode, texts: list[str]) -> TokenIds:
    """The token ids of all texts, one after the other; memory does not grow with the texts' length."""
    parts = []
    for group in _groups(texts):
        long = len(group) == 1 and len(group[0]) > AT_ONCE
        parts.append(encode_long(encode, group[0]) if long else joined(encode(group)))
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)


def _groups(texts: list[str]) -> Iterator[list[str]]:
    """The texts in groups of up to `AT_ONCE` characters; a longer text is alone."""
    start, size = 0, 0
    for end, text in enumerate(texts):
        if size + len(text) > AT_ONCE and end > start:
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if texts:
        yield texts[start:]


def joined(ids: list[list[int]]) -> TokenIds:
    """Lists of token ids, one after the other, `[tokens]` int32."""
    return np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=sum(map(len, ids)))
