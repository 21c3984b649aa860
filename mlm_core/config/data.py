"""Options of the text: where it comes from and how it becomes blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_core.config.options import option


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the text comes from and how it becomes blocks."""

    dataset: str | None = option(
        None,
        "file, directory, glob or Hub dataset with the text; python:reference: Python's language reference; "
        "python:library: docstrings and comments of Python's library",
        default_text="python:reference",
    )
    dataset_config: str | None = option(None, "configuration of a dataset on the Hub")
    dataset_revision: str | None = option(None, "branch, tag or commit of a dataset on the Hub")
    split: str | None = option(
        None,
        "rows to use, for example train[:5000]",
        default_text="train, evaluated on the dataset's validation or test split",
    )
    text_column: str | None = option(
        None,
        "column with the text; a dot names a column inside a column, for example answers.text",
        metavar="COLUMN",
        default_text="text, else the only column with text",
    )
    test_size: float | None = option(
        None,
        "share of the documents to hold out for evaluation",
        fallback=0.2,
        above=0.0,
        maximum=0.9,
        default_text="the dataset's own validation or test split, else 0.2",
    )
    block_size: int | None = option(
        None,
        "tokens in a block",
        fallback=128,
        minimum=8,
        maximum=2**20,
        default_text="64 without --model, else the model's, else 128; at most the model's limit",
    )
    last_block: Literal["drop", "pad"] = option(
        "drop", "drop: leave out the tokens after the last full block; pad: fill the last block with padding"
    )
    document_borders: Literal["special-tokens", "separator"] = option(
        "special-tokens",
        "special-tokens: put the tokenizer's special tokens around each document; separator: put one "
        "separator after it",
    )
    num_proc: int | None = option(
        None,
        "processes that tokenize",
        affects="nothing",
        minimum=1,
        maximum=1024,
        default_text="1 for fast tokenizers, which use every core; one per core for slow ones",
    )
