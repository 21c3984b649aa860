"""What the benchmarks work on: DistilRoBERTa's shape, and text that every Python installation carries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

BATCH, BLOCK, SLOTS = 16, 128, 20
WIDTH, INNER, VOCABULARY, LAYERS = 768, 3072, 50265, 6


def write_inputs(directory: Path) -> None:
    """Write `model/` and `tiny/` (config and tokenizer, no weights), `blocks.npy`, and `text.jsonl`."""
    from mlm_core.data.corpus import embedded_documents
    from mlm_core.data.tokenization import train_tokenizer

    documents = embedded_documents()
    tokenizer = train_tokenizer(documents, 6000, 512)
    shapes = {"model": (WIDTH, INNER, LAYERS, VOCABULARY), "tiny": (32, 64, 1, len(tokenizer))}
    for name, (width, inner, layers, vocabulary) in shapes.items():
        tokenizer.save_pretrained(str(directory / name))
        config = {
            "model_type": "roberta", "architectures": ["RobertaForMaskedLM"], "vocab_size": vocabulary,
            "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": max(1, width // 64),
            "intermediate_size": inner, "max_position_embeddings": 514, "type_vocab_size": 1,
            "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "layer_norm_eps": 1e-5,
        }  # fmt: skip
        (directory / name / "config.json").write_text(json.dumps(config))
    ids = [token for ids in tokenizer(documents, verbose=False)["input_ids"] for token in ids]
    blocks = np.array(ids[: len(ids) // BLOCK * BLOCK], dtype=np.int32).reshape(-1, BLOCK)
    np.save(directory / "blocks.npy", blocks)
    with (directory / "text.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in documents)
