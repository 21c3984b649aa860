"""Tiny model directories, written without a framework; this module spells out their parameter names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HIDDEN, LAYERS, HEADS, INNER, LENGTH = 16, 2, 2, 32, 48

TEXT = """the a cat dog sat ran on under mat tree and then slept because it was tired of running around
big small garden every day while birds sang songs above quiet old house"""
WORDS = TEXT.split()

FAMILIES = ("roberta", "bert", "distilbert")


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences of 5 to 14 words. The first words of the list are far more frequent: something to learn."""
    draw = np.random.RandomState(seed)
    share = 1.0 / np.arange(1, len(WORDS) + 1) ** 1.5
    chosen = [draw.choice(WORDS, size=draw.randint(5, 15), p=share / share.sum()) for _ in range(count)]
    return [" ".join(words) + "." for words in chosen]


def write_tokenizer(directory: Path, family: str) -> int:
    """Write a tokenizer of the family's kind; returns the size of its vocabulary."""
    directory.mkdir(parents=True, exist_ok=True)
    if family == "roberta":
        from mlm_core.data.train_tokenizer import train_tokenizer

        tokenizer = train_tokenizer(sentences(200), 320, LENGTH)
        tokenizer.save_pretrained(str(directory))
        return len(tokenizer)
    from transformers import BertTokenizerFast, DistilBertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *sorted(WORDS)]
    (directory / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    kind = BertTokenizerFast if family == "bert" else DistilBertTokenizerFast
    kind.from_pretrained(str(directory), model_max_length=LENGTH).save_pretrained(str(directory))
    return len(vocabulary)


def config(family: str, vocabulary: int, dropout: float = 0.1) -> dict:
    if family == "distilbert":
        return {
            "model_type": "distilbert",
            "architectures": ["DistilBertForMaskedLM"],
            "vocab_size": vocabulary,
            "dim": HIDDEN,
            "n_layers": LAYERS,
            "n_heads": HEADS,
            "hidden_dim": INNER,
            "max_position_embeddings": LENGTH,
            "pad_token_id": 0,
            "dropout": dropout,
            "attention_dropout": dropout,
            "initializer_range": 0.05,
        }
    shared = {
        "model_type": family,
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.05,
    }
    if family == "bert":
        own = {"architectures": ["BertForMaskedLM"], "max_position_embeddings": LENGTH, "pad_token_id": 0}
    else:
        own = {
            "architectures": ["RobertaForMaskedLM"],
            "max_position_embeddings": LENGTH + 2,
            "pad_token_id": 1,
            "type_vocab_size": 1,
        }
    return shared | own


def encoder_shapes(family: str, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Parameter shapes of the encoder, under the names of the published checkpoints."""
    square, up, down = (HIDDEN, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER)
    if family == "distilbert":
        tables = {"word_embeddings": (vocabulary, HIDDEN), "position_embeddings": (LENGTH, HIDDEN)}
        layer, norms = "transformer.layer", ("sa_layer_norm", "output_layer_norm")
        linears = {f"attention.{name}_lin": square for name in ("q", "k", "v", "out")}
        linears |= {"ffn.lin1": up, "ffn.lin2": down}
    else:
        types = 1 if family == "roberta" else 2
        positions = LENGTH + 2 if family == "roberta" else LENGTH
        tables = {
            "word_embeddings": (vocabulary, HIDDEN),
            "position_embeddings": (positions, HIDDEN),
            "token_type_embeddings": (types, HIDDEN),
        }
        layer, norms = "encoder.layer", ("attention.output.LayerNorm", "output.LayerNorm")
        linears = {f"attention.self.{name}": square for name in ("query", "key", "value")}
        linears |= {"attention.output.dense": square, "intermediate.dense": up, "output.dense": down}
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{name}.weight": shape for name, shape in tables.items()
    }
    shapes |= _with_bias("embeddings.LayerNorm", (HIDDEN,))
    for index in range(LAYERS):
        for name, shape in linears.items():
            shapes |= _with_bias(f"{layer}.{index}.{name}", shape)
        for name in norms:
            shapes |= _with_bias(f"{layer}.{index}.{name}", (HIDDEN,))
    return shapes


def head_shapes(family: str, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Parameter shapes of the masked-LM head; the matrix of its decoder is the word embeddings."""
    square = (HIDDEN, HIDDEN)
    dense, norm, bias = {
        "roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
        "bert": (
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.bias",
        ),
        "distilbert": ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
    }[family]
    return _with_bias(dense, square) | _with_bias(norm, (HIDDEN,)) | {bias: (vocabulary,)}


def full_shapes(family: str, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Parameter shapes of the whole model."""
    encoder = encoder_shapes(family, vocabulary)
    prefixed = {f"{family}.{name}": shape for name, shape in encoder.items()}
    return prefixed | head_shapes(family, vocabulary)


def write_model(
    directory: Path, family: str, *, head: bool = True, dropout: float = 0.1, seed: int = 1
) -> Path:
    """Write a model directory with random weights; without `head`, those of the encoder alone."""
    vocabulary = write_tokenizer(directory, family)
    settings = config(family, vocabulary, dropout)
    shapes = full_shapes(family, vocabulary) if head else encoder_shapes(family, vocabulary)
    if not head:
        settings["architectures"] = [settings["architectures"][0].replace("ForMaskedLM", "Model")]
    draw = np.random.RandomState(seed)
    weights = {}
    for name, shape in shapes.items():
        noise = draw.standard_normal(shape).astype(np.float32) * 0.1
        is_scale = name.endswith("weight") and len(shape) == 1
        weights[name] = noise + 1.0 if is_scale else noise
    (directory / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    return directory


def _with_bias(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
