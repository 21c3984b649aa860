"""A model made for the text: a small RoBERTa with a tokenizer trained on the text."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.documents import Documents
from mlm_core.data.fingerprint import fingerprint_of
from mlm_core.data.train_tokenizer import roberta_tokenizer, train_tokenizer
from mlm_core.system.cache import cache_directory, unwritable_cache
from mlm_core.system.files import write_atomically

SCRATCH = "small RoBERTa"
"""The name of this model."""

SCRATCH_OPTIONS: Mapping[str, Any] = {
    "block_size": 64,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "warmup_steps": 300,
}
"""Options that suit this model; they apply where the user gave none."""

LEAST_NEW_RATE = 5e-5
"""A learning rate below this suits trained weights, not drawn ones."""

NEW_HEAD_RATE = 1e-4
"""A learning rate for a new head on a trained encoder."""

_WIDTHS = ("hidden_size", "dim", "d_model", "embedding_size")
_USUAL_WIDTH = 768

_SHAPE: Mapping[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
_VOCABULARY = 5000
"""The largest number of tokens to learn, special tokens included."""


def rates_from_scratch(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options that suit random weights of an architecture; they apply where the user gave none.

    Up to a width of 256, the learning rate is that of the model made for the text; beyond, it falls with the
    width.

    Args:
        settings: the content of the model's `config.json`.
    """
    widths = [settings[name] for name in _WIDTHS if isinstance(settings.get(name), int)]
    width = max(_SHAPE["hidden_size"], widths[0] if widths else _USUAL_WIDTH)
    rate = SCRATCH_OPTIONS["learning_rate"] * _SHAPE["hidden_size"] / width
    return {"learning_rate": float(f"{rate:.2g}"), "warmup_steps": SCRATCH_OPTIONS["warmup_steps"]}


def scratch_model(documents: Documents, length: int) -> tuple[Any, Tokenizer]:
    """The transformers config and the tokenizer of a model made for the text.

    Args:
        documents: the text that the tokenizer is trained on.
        length: tokens in a block; the model has no further positions, as they would never be trained.

    Raises:
        RunError: the cache cannot be written.
    """
    from transformers import RobertaConfig

    tokenizer = _learned_tokenizer(documents, length)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=length + tokenizer.pad_token_id + 1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **_SHAPE,
    )
    return config, tokenizer


def _learned_tokenizer(documents: Documents, length: int) -> Tokenizer:
    """A tokenizer trained on the documents; the cache keeps it for the next run on the same documents."""
    inputs = [documents.fingerprint, str(_VOCABULARY), version("tokenizers")]
    kept = cache_directory() / "tokenizers" / f"{fingerprint_of(inputs)}.json"
    try:
        return roberta_tokenizer(kept.read_text(encoding="utf-8"), length)
    except Exception:
        # Missing, or damaged in any way: it is trained again.
        tokenizer = train_tokenizer(documents, _VOCABULARY, length)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, tokenizer.backend_tokenizer.to_str().encode())
    except OSError as error:
        raise unwritable_cache(error) from None
    return tokenizer
