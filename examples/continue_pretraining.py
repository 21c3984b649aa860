"""Continue the pre-training of a model on a CSV of your own, then use its encoder for embeddings.

    python examples/continue_pretraining.py
    python examples/continue_pretraining.py --backend tf
    python examples/continue_pretraining.py --csv posts.csv --model distilbert/distilroberta-base

The included CSV has questions about Python. A text's embedding is the mean of the encoder's last hidden
states over its tokens. For the first texts, the script prints the nearest other texts.
"""

import argparse
import csv
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mlm_core import train

QUESTIONS = Path(__file__).parent / "data" / "questions.csv"
AT_ONCE = 32


def main() -> None:
    """Train, embed the texts, and print neighbours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--csv", type=Path, default=QUESTIONS, help="a file with a row of column names")
    parser.add_argument("--text-column", default="text", help="the column with the text")
    parser.add_argument(
        "--model", default="starter", help="directory or name on the Hub; starter: the included one"
    )
    parser.add_argument("--backend", default="torch", help="torch or tf")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the text")
    parser.add_argument("--output-dir", help="directory of the run; without it, a new one under runs/")
    parser.add_argument("--show", type=int, default=3, help="number of texts to print with their neighbours")
    parser.add_argument("--threads", type=int, help="processor threads; without it, one per core")
    given = parser.parse_args()

    run = train(
        given.csv,
        backend=given.backend,
        text_column=given.text_column,
        epochs=given.epochs,
        output_dir=given.output_dir,
        threads=given.threads,
        model=given.model,
    )
    print(f"perplexity {run.result.before.perplexity:.1f} -> {run.result.after.perplexity:.1f}")

    with given.csv.open(encoding="utf-8", newline="") as file:
        texts = [row[given.text_column] for row in csv.DictReader(file)]
    vectors = embeddings(run.directory, texts, given.backend)
    np.save(run.directory / "embeddings.npy", vectors)
    for row in range(min(given.show, len(texts))):
        print(f"\n{texts[row]}")
        for other in nearest(vectors, row):
            print(f"  {vectors[row] @ vectors[other]:.2f}  {texts[other]}")


def embeddings(model: Path, texts: list[str], backend: str) -> np.ndarray:
    """The mean of the last hidden states over the tokens of each text: `[texts, width]` float32, length 1."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    masked_lm = import_module(f"mlm_{backend}").from_pretrained(model)
    encoder = getattr(masked_lm, masked_lm.base_model_prefix)
    means = []
    for start in range(0, len(texts), AT_ONCE):
        inputs = tokenizer(
            texts[start : start + AT_ONCE],
            padding=True,
            truncation=True,
            return_tensors="pt" if backend == "torch" else "tf",
        )
        if backend == "torch":
            inputs = inputs.to(masked_lm.device)
        states = encoder(**inputs).last_hidden_state
        states, tokens = as_numpy(states), as_numpy(inputs["attention_mask"])[..., None]
        means.append((states * tokens).sum(1) / tokens.sum(1))
    found = np.concatenate(means).astype(np.float32)
    # What all texts have in common tells none of them from the others.
    found -= found.mean(0)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def as_numpy(tensor: Any) -> np.ndarray:
    """A tensor of either framework as an array."""
    return tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor.numpy()


def nearest(vectors: np.ndarray, row: int, count: int = 3) -> list[int]:
    """The rows whose vectors have the largest cosine with that of `row`, nearest first."""
    cosines = vectors @ vectors[row]
    cosines[row] = -np.inf
    return np.argsort(-cosines, kind="stable")[:count].tolist()


if __name__ == "__main__":
    main()
