"""A variant of `preparation.py`, in a process of its own: `preparation_worker.py VARIANT DIRECTORY`.

VARIANT is OWNER:STAGE:PROCESSES. OWNER is `mlm` (this project) or `guide` (the recipe of Hugging Face). STAGE
is `group` (from an opened dataset to blocks, all documents) or `file` (from a file to blocks, a fifth of the
documents held out). Nothing is taken from a cache. Notes the number of tokens, the number of blocks, and a
digest of the first blocks.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from inputs import BLOCK
from rounds import Rounds

from mlm_core.compare.hf_recipe import group_texts, tokenize

COMPARED = 100
"""Blocks in the digest. All variants have the same blocks up to the end of the recipe's first batch of
documents, which makes more than these."""

COLUMN = "answers.text"


def mlm(rounds: Rounds, directory: Path, stage: str, processes: int) -> None:
    """What `mlm prepare` does."""
    os.environ["MLM_CACHE"] = str(directory / f"cache-{os.getpid()}")
    from mlm_core import Config
    from mlm_core.compat.transformers import import_without_frameworks
    from mlm_core.data.prepare import Vocabulary, block_store
    from mlm_core.data.sources import load_source
    from mlm_core.model.find_model import find_model
    from mlm_core.model.source import load_model_source
    from mlm_core.progress import Progress
    from mlm_core.training.setup import training_setup

    config = Config(
        dataset=str(directory / "text.jsonl"), text_column=COLUMN, model=str(directory / "model"),
        from_scratch=True, num_proc=processes, quiet=True,
    ).resolved({})  # fmt: skip
    progress = Progress.of(config)
    source = load_source(config, progress=progress)
    import_without_frameworks()
    model = load_model_source(config, find_model(config))
    vocabulary = Vocabulary(model.tokenizer, model.config.vocab_size, model.name)
    while True:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["MLM_CACHE"] = cache
            if stage == "file":
                setup = training_setup(config, load_source(config, progress=progress), progress)
                facts = list(setup.stores.values())
                first = None
            else:
                store = block_store(source.documents, vocabulary, config, "training", progress)
                facts, first = [store.facts], _digest(store.blocks[:COMPARED])
        rounds.note(tokens=sum(f.tokens for f in facts), blocks=sum(f.blocks for f in facts), first=first)
        rounds.unit_done()


def hf_recipe(rounds: Rounds, directory: Path, stage: str, processes: int) -> None:
    """`map` with a tokenizer, then `map` with `group_texts`."""
    os.environ |= {"USE_TF": "0", "USE_TORCH": "0"}
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    common = {"batched": True, "num_proc": processes, "load_from_cache_file": False}

    def opened(cache: str) -> Any:
        return datasets.load_dataset(
            "json", data_files=str(directory / "text.jsonl"), split="train", cache_dir=cache
        )

    kept = opened(str(directory / f"cache-{os.getpid()}")).flatten()
    while True:
        with tempfile.TemporaryDirectory() as cache:
            if stage == "file":
                rows = opened(cache).train_test_split(test_size=0.2).flatten()
            else:
                rows = datasets.DatasetDict(train=kept)
            tokenized = rows.map(
                tokenize, fn_kwargs={"tokenizer": tokenizer, "column": COLUMN},
                remove_columns=rows["train"].column_names, **common,
            )  # fmt: skip
            grouped = tokenized.map(group_texts, fn_kwargs={"block_size": BLOCK, "labels": True}, **common)
            if rounds.warming_up:
                first = np.array(grouped["train"][:COMPARED]["input_ids"]) if stage == "group" else None
                rounds.note(
                    tokens=sum(map(_tokens, tokenized.values())), blocks=sum(map(len, grouped.values())),
                    first=None if first is None else _digest(first),
                )  # fmt: skip
        rounds.unit_done()


def _tokens(rows: Any) -> int:
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(rows.data.column("input_ids"))
    return int(pyarrow.compute.sum(lengths).as_py())


def _digest(blocks: Any) -> str:
    return hashlib.blake2b(np.asarray(blocks, dtype="<i4").tobytes(), digest_size=16).hexdigest()


def main(variant: str, directory: str) -> None:
    """Prepare the text until no further unit is due."""
    owner, stage, processes = variant.split(":")
    (mlm if owner == "mlm" else hf_recipe)(Rounds(warm_up=1), Path(directory), stage, int(processes))


if __name__ == "__main__":
    main(*sys.argv[1:])
