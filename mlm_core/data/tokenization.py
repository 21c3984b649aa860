"""Tokenizers: loading one, training one, and what masking needs to know of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.config import DataConfig
from mlm_core.data.documents import fingerprint_of
from mlm_core.errors import RequestError

TokenIds = NDArray[np.int32]


def train_tokenizer(documents: Iterable[str], vocabulary: int, model_max_length: int) -> Tokenizer:
    """A byte-level BPE tokenizer in RoBERTa's manner, trained on the documents.

    Args:
        documents: the text to learn from.
        vocabulary: most tokens to learn, special ones included.
        model_max_length: longest input of the model, in tokens.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

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
    return roberta_tokenizer(backend.to_str(), model_max_length)


def roberta_tokenizer(description: str, model_max_length: int) -> Tokenizer:
    """RoBERTa's tokenizer class on what `tokenizers` wrote down of a tokenizer."""
    import tokenizers
    from transformers import RobertaTokenizerFast

    backend = tokenizers.Tokenizer.from_str(description)
    return RobertaTokenizerFast(tokenizer_object=backend, model_max_length=model_max_length)


@dataclass(frozen=True)
class DocumentBorders:
    """What stands around each document.

    Attributes:
        special: the tokenizer's own special tokens.
        separator: the id of a token after each document, or None.
    """

    special: bool
    separator: int | None


def document_borders(tokenizer: Tokenizer, config: DataConfig, model: str) -> DocumentBorders:
    """What `--document-borders` says, in a tokenizer's terms.

    Raises:
        RequestError: a separator is asked for and the tokenizer has none.
    """
    if config.document_borders == "special-tokens":
        return DocumentBorders(special=True, separator=None)
    for separator in (tokenizer.sep_token_id, tokenizer.eos_token_id):
        if separator is not None:
            return DocumentBorders(special=False, separator=int(separator))
    raise RequestError(
        f"the tokenizer of {model} has no separator",
        code="no_separator",
        option="--document-borders",
        value=config.document_borders,
        fix="use special-tokens",
    )


def token_ids(tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders) -> list[list[int]]:
    """The token ids of each text, whole, with its borders."""
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
    """A copy of what encodes a fast tokenizer's texts, set up as for `token_ids`; None: it is a slow one."""
    if not tokenizer.is_fast:
        return None
    import tokenizers

    backend = tokenizers.Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = splits_special_tokens(tokenizer)
    return backend


def splits_special_tokens(tokenizer: Tokenizer) -> bool:
    """Whether a special token's name in a text is text like any other."""
    return bool(getattr(tokenizer, "split_special_tokens", False))


def sufficient_backend(tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders) -> Any | None:
    """A tokenizer's backend, if transformers adds nothing to what it makes of these texts."""
    backend = backend_of(tokenizer)
    if backend is None or backend_token_ids(backend, texts, borders) != token_ids(tokenizer, texts, borders):
        return None
    return backend


def backend_token_ids(backend: Any, texts: list[str], borders: DocumentBorders) -> list[list[int]]:
    """What `token_ids` says of most fast tokenizers, without transformers."""
    encodings = backend.encode_batch_fast(texts, add_special_tokens=borders.special)
    return _with_separators([encoding.ids for encoding in encodings], borders)


def _with_separators(encoded: list[list[int]], borders: DocumentBorders) -> list[list[int]]:
    after = [] if borders.separator is None else [borders.separator]
    return [ids + after for ids in encoded]


def joined_token_ids(tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders) -> TokenIds:
    """The token ids of all texts one after the other, `[tokens]` int32."""
    return joined(token_ids(tokenizer, texts, borders))


def joined(ids: list[list[int]]) -> TokenIds:
    """Lists one after the other, `[tokens]` int32."""
    return np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=sum(map(len, ids)))


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """A hash of everything that decides a tokenizer's output."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    libraries = f"{version('tokenizers')} {version('transformers')}"
    name = f"{type(tokenizer).__name__} {libraries} {splits_special_tokens(tokenizer)}"
    if backend is not None:
        # How the last call cut and filled rows up stands there, too; ours does neither.
        described = json.loads(backend.to_str()) | {"truncation": None, "padding": None}
        return fingerprint_of([name, json.dumps(described, sort_keys=True)])
    # A slow tokenizer has no one description; its files have all of it.
    with tempfile.TemporaryDirectory() as directory:
        tokenizer.save_pretrained(directory)
        files = sorted(Path(directory).iterdir())
        return fingerprint_of([name, *(f"{path.name} {path.read_bytes().hex()}" for path in files)])
