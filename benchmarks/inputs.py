"""What the benchmarks work on: models of DistilRoBERTa's shape, and the text that Python itself carries."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

BATCH, BLOCK, SLOTS = 16, 128, 20
WIDTH, INNER, VOCABULARY, LAYERS = 768, 3072, 50265, 6

_STEPS = 32
"""The least number of steps in an epoch: at the end of each a run is evaluated."""


def write_inputs(directory: Path, batch: int = BATCH) -> None:
    """Write `model/` and `tiny/` (config and tokenizer, no weights), `blocks.npy`, and `text.jsonl`.

    The text is repeated until it has `_STEPS` batches.
    """
    from mlm_core.data.train_tokenizer import train_tokenizer

    documents = embedded_documents()
    tokenizer = train_tokenizer(documents, 6000, 512)
    write_roberta(directory / "model", tokenizer, VOCABULARY, width=WIDTH, inner=INNER, layers=LAYERS)
    write_roberta(directory / "tiny", tokenizer, len(tokenizer), width=32, inner=64, layers=1)
    ids = [token for ids in tokenizer(documents, verbose=False)["input_ids"] for token in ids]
    blocks = np.array(ids[: len(ids) // BLOCK * BLOCK], dtype=np.int32).reshape(-1, BLOCK)
    copies = -(-_STEPS * batch // len(blocks))
    np.save(directory / "blocks.npy", np.tile(blocks, (copies, 1)))
    with (directory / "text.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in documents * copies)


def write_roberta(
    directory: Path, tokenizer: Any, vocabulary: int, *, width: int, inner: int, layers: int
) -> None:
    """Write config and tokenizer of a RoBERTa for 512 tokens, with a head for each 64 of its width."""
    tokenizer.save_pretrained(str(directory))
    config = {
        "model_type": "roberta", "architectures": ["RobertaForMaskedLM"], "vocab_size": vocabulary,
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": max(1, width // 64),
        "intermediate_size": inner, "max_position_embeddings": 514, "type_vocab_size": 1,
        "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "layer_norm_eps": 1e-5,
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))


def write_text(path: Path, megabytes: float) -> None:
    """Write text in ELI5's schema: random sentences of the corpus.

    A row has one to three answers of two to twelve sentences, about 1,500 characters.

    Args:
        path: the file.
        megabytes: how much text to write.
    """
    written, draw, known = 0, random.Random(0), _sentences()
    with path.open("w", encoding="utf-8") as file:
        while written < megabytes * 1e6:
            texts = [" ".join(draw.choices(known, k=draw.randint(2, 12))) for _ in range(draw.randint(1, 3))]
            answers = {"a_id": [f"{draw.getrandbits(36):x}" for _ in texts], "text": texts}
            row = {"q_id": f"{draw.getrandbits(36):x}", "title": draw.choice(known), "answers": answers}
            file.write(json.dumps(row) + "\n")
            written += sum(len(text.encode()) for text in texts)


def masked_sentences(count: int) -> list[str]:
    """Sentences of 6 to 40 words and at most 250 characters; one word of each is `<mask>`."""
    draw = random.Random(0)
    short = [sentence.split() for sentence in _sentences() if len(sentence) <= 250]
    chosen = draw.sample([words for words in short if 6 <= len(words) <= 40], count)
    return [" ".join(_masked(words, draw.randrange(1, len(words)))) for words in chosen]


def write_weights(directory: Path, backend: str) -> None:
    """Give `model/` weights that the seed draws, in a process of its own.

    Rows of the embedding that are no token of the tokenizer are never likely: `mlm` does not show them, and
    the fill-mask pipeline does.
    """
    from safetensors.numpy import load_file, save_file
    from transformers import AutoTokenizer

    model = str(directory / "model")
    program = f"""
from mlm_core import Config, load_engine
config = Config(model={model!r}, from_scratch=True, dataset={str(directory / "text.jsonl")!r}, quiet=True)
load_engine({backend!r}).trainer(config).save({model!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    path = directory / "model" / "model.safetensors"
    weights = load_file(path)
    weights["lm_head.bias"][len(AutoTokenizer.from_pretrained(model)) :] = -1e4
    save_file(weights, path, metadata={"format": "pt"})


def embedded_documents() -> list[str]:
    """The documents of both parts of the embedded corpus."""
    from mlm_core.data.embedded_corpus import PARTS

    return [document for part in PARTS.values() for document in part()]


def _sentences() -> list[str]:
    return [sentence for text in embedded_documents() for sentence in _cut(text)]


def _cut(text: str) -> Iterator[str]:
    # The last part still has its full stop.
    *parts, last = text.split(". ")
    yield from (f"{part}." for part in parts)
    yield last


def _masked(words: list[str], index: int) -> list[str]:
    return [*words[:index], "<mask>", *words[index + 1 :]]
