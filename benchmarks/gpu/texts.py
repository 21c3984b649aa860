"""What all variants work on: text, one tokenizer, the models' configs, and the blocks kept in the cache."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from settings import Settings
from shapes import Shape
from variants import Variant, ceiling_groups, step_groups, tensorflow_groups

TEXT = "text.jsonl"

_COPIES = 4
"""Of the text, so that the largest batches come to no end of an epoch, where a run is evaluated."""


def write_texts(settings: Settings) -> None:
    """Write text and model directories to the work directory, and tokenise once for each block size."""
    from mlm_core.data.embedded_corpus import PARTS, REFERENCE
    from mlm_core.data.train_tokenizer import train_tokenizer

    parts = [PARTS[REFERENCE]] if settings.tiny else PARTS.values()
    documents = [document for part in parts for document in part()]
    # A part of the text is enough to learn from, and takes a third of the time.
    tokenizer = train_tokenizer(documents[:4000], 3000 if settings.tiny else 6000, 512)
    variants = [variant for group in _groups(settings) for variant in group]
    for variant in {variant.directory(): variant for variant in variants}.values():
        _, shape = variant.sizes(tiny=settings.tiny)
        directory = settings.work / variant.directory()
        tokenizer.save_pretrained(str(directory))
        config = _config(shape, tokenizer, "dropout" in variant.options)
        (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    lines = [json.dumps({"text": text}) + "\n" for text in documents]
    with (settings.work / TEXT).open("w", encoding="utf-8") as file:
        file.writelines(lines * (1 if settings.tiny else _COPIES))
    if not settings.tiny:
        _prepare(settings, variants)


def held_out(settings: Settings) -> float:
    """The share of the documents that a run is evaluated on before its first step."""
    return 0.1 if settings.tiny else 0.01


def _groups(settings: Settings) -> list[list[Variant]]:
    groups = (step_groups(settings), ceiling_groups(settings), tensorflow_groups(settings))
    return [group for found in groups for group in found.values()]


def _config(shape: Shape, tokenizer: Any, dropout: bool) -> dict[str, Any]:
    config = {
        "model_type": shape.kind, "vocab_size": shape.vocabulary, "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner, "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    if shape.kind == "modernbert":
        config |= {
            "architectures": ["ModernBertForMaskedLM"], "max_position_embeddings": 8192,
            "cls_token_id": tokenizer.bos_token_id, "sep_token_id": tokenizer.eos_token_id,
            "global_attn_every_n_layers": shape.global_every, "local_attention": shape.window,
        }  # fmt: skip
        if dropout:
            config |= dict.fromkeys(("attention_dropout", "embedding_dropout", "mlp_dropout"), 0.1)
        return config
    name = "RobertaForMaskedLM" if shape.kind == "roberta" else "BertForMaskedLM"
    # RoBERTa counts positions from 2 on.
    return config | {
        "architectures": [name], "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
    }  # fmt: skip


def _prepare(settings: Settings, variants: list[Variant]) -> None:
    """Have the blocks in the cache, where the variants find them; they all have the same tokenizer."""
    from mlm_core.__main__ import main

    by_block = {variant.sizes(tiny=False)[0].block: variant for variant in variants}
    for block, variant in by_block.items():
        words = ["--dataset", str(settings.work / TEXT), "--model", str(settings.work / variant.directory())]
        words += [
            "--from-scratch",
            "--block-size",
            str(block),
            "--test-size",
            str(held_out(settings)),
            "--json",
            "--quiet",
        ]
        with Path("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):
            main(["prepare", *words])


if __name__ == "__main__":
    write_texts(Settings.from_environment())
