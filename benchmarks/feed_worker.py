"""A variant of `feed.py`, in a process of its own: `feed_worker.py OWNER:FRAMEWORK:BATCH DIRECTORY`.

OWNER is `mlm` (this project's feed, masking included) or `guide` (the collator of the Hugging Face recipe
behind a DataLoader or `prepare_tf_dataset`).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Rounds

from mlm_core.compare.hf_recipe import block_rows, stock_collator

TOKENS = {"mlm": 2**22, "guide": 2**19}
"""Tokens in the batches of a unit of work: far more than a feed makes ahead while the others work."""


def mlm_torch(batch: int, directory: Path) -> Iterator[Any]:
    """The batches of the trainer's loader."""
    from mlm_core import load_engine

    load_engine("torch")
    from mlm_torch.feed import PlannedLoader

    assembler, plan = _planned(batch, directory)
    return iter(PlannedLoader(assembler, plan, 1, 0))


def mlm_tf(batch: int, directory: Path) -> Iterator[Any]:
    """The batches that `fit` gets."""
    from mlm_core import load_engine

    load_engine("tf").devices()
    from transformers import AutoConfig

    from mlm_tf.feed import planned_dataset
    from mlm_tf.model import build_model

    assembler, plan = _planned(batch, directory)
    model = build_model(AutoConfig.from_pretrained(directory / "tiny"), "tiny")
    return iter(planned_dataset(model, assembler, plan.all_keys(0)))


def hf_recipe_torch(batch: int, directory: Path) -> Iterator[Any]:
    """The collator behind a shuffling DataLoader, as Trainer has it."""
    from mlm_core import load_engine

    load_engine("torch")
    from torch.utils.data import DataLoader
    from transformers import AutoTokenizer

    collator = stock_collator(AutoTokenizer.from_pretrained(directory / "model"))
    loader = DataLoader(_rows(directory), batch_size=batch, shuffle=True, collate_fn=collator)
    return itertools.chain.from_iterable(iter(loader) for _ in itertools.count())


def hf_recipe_tf(batch: int, directory: Path) -> Iterator[Any]:
    """The collator behind `prepare_tf_dataset`."""
    from mlm_core import load_engine

    load_engine("tf").devices()
    from transformers import AutoConfig, AutoTokenizer, TFAutoModelForMaskedLM

    collator = stock_collator(AutoTokenizer.from_pretrained(directory / "model"), return_tensors="tf")
    model = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(directory / "tiny"))
    batches = model.prepare_tf_dataset(_rows(directory), shuffle=True, batch_size=batch, collate_fn=collator)
    return iter(batches.repeat())


def _planned(batch: int, directory: Path) -> Any:
    from transformers import AutoTokenizer

    from mlm_core.batches.batch import BatchAssembler
    from mlm_core.batches.masking_rule import masking_rule
    from mlm_core.batches.plan import BatchPlan
    from mlm_core.batches.randomness import Stream
    from mlm_core.config.masking import MaskingConfig

    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    blocks = np.load(directory / "blocks.npy", mmap_mode="r")
    rule = masking_rule(tokenizer, MaskingConfig(), "model")
    assembler = BatchAssembler(blocks, rule, 42, Stream.TRAINING_MASK)
    return assembler, BatchPlan(blocks=len(blocks), batch_size=batch, seed=42, steps=200_000)


def _rows(directory: Path) -> Any:
    return block_rows(np.load(directory / "blocks.npy"))


FEEDS = {
    ("mlm", "torch"): mlm_torch,
    ("mlm", "tf"): mlm_tf,
    ("guide", "torch"): hf_recipe_torch,
    ("guide", "tf"): hf_recipe_tf,
}


def main(variant: str, directory: str) -> None:
    """Take batches until no further unit is due."""
    owner, framework, batch = variant.split(":")
    rounds = Rounds(warm_up=1)
    taken = 0
    for made in FEEDS[owner, framework](int(batch), Path(directory)):
        inputs = made[0] if isinstance(made, tuple) else made
        taken += int(np.prod(inputs["input_ids"].shape))
        if taken >= TOKENS[owner]:
            taken = 0
            rounds.unit_done()


if __name__ == "__main__":
    main(*sys.argv[1:])
