"""Tiny settings of every architecture that has a masked-LM class in both frameworks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import write_tokenizer

_BERT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}
_XLM: dict[str, Any] = {"emb_dim": 16, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64}
_RELATIVE: dict[str, Any] = {
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "position_biased_input": False,
}

SETTINGS: dict[str, dict[str, Any]] = {
    "albert": {**_BERT, "embedding_size": 8},
    "bert": _BERT,
    "camembert": _BERT,
    "convbert": {**_BERT, "embedding_size": 16},
    "deberta": {**_BERT, **_RELATIVE},
    "deberta-v2": {
        **_BERT,
        **_RELATIVE,
        "norm_rel_ebd": "layer_norm",
        "position_buckets": 8,
        "share_att_key": True,
    },
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "initializer_range": 0.1},
    "electra": {**_BERT, "embedding_size": 8},
    "esm": {**_BERT, "position_embedding_type": "rotary"},
    "flaubert": _XLM,
    "funnel": {"block_sizes": [1, 1], "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32},
    "layoutlm": _BERT,
    "longformer": {**_BERT, "attention_window": 8},
    "mobilebert": {**_BERT, "embedding_size": 8, "true_hidden_size": 16, "intra_bottleneck_size": 16},
    "mpnet": _BERT,
    "rembert": {**_BERT, "input_embedding_size": 8, "output_embedding_size": 16},
    "roberta": _BERT,
    "roberta-prelayernorm": _BERT,
    "roformer": {**_BERT, "embedding_size": 16},
    "tapas": _BERT,
    "xlm": _XLM,
    "xlm-roberta": _BERT,
}

BACKENDS = ("torch", "tf")

LONG = ("roberta", "bert", "distilbert")
"""Architectures that are trained for more steps than the others."""


def write_architecture(directory: Path, name: str) -> Path:
    """Write config and tokenizer of an architecture; its weights are drawn by the seed when it is loaded."""
    vocabulary = write_tokenizer(directory, "bert")
    special = {"pad_token_id": 0, "mask_token_id": 4, "bos_token_id": 2, "eos_token_id": 3}
    settings = {"model_type": name, "vocab_size": vocabulary, "n_words": vocabulary} | special
    if name in ("xlm", "flaubert"):
        settings |= {"pad_index": 0, "mask_index": 4, "unk_index": 1, "bos_index": 2, "eos_index": 3}
    content = json.dumps(settings | SETTINGS[name])
    (directory / "config.json").write_text(content, encoding="utf-8")
    return directory


def padded_batch() -> dict[str, np.ndarray]:
    """A padded batch of rows of different lengths: `input_ids` and `attention_mask`, `[3, 16]` int64."""
    ids = np.random.RandomState(3).randint(5, 25, size=(3, 16))
    mask = np.ones_like(ids)
    mask[1, 12:] = mask[2, 7:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}
