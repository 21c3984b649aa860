"""A variant of `feed.py`, in a process of its own: `feed_worker.py OWNER:FRAMEWORK:BATCH DIRECTORY`.

OWNER is `mlm` (this project's feed, masking included) or `guide` (the guide's collator behind a DataLoader or
`prepare_tf_dataset`).
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Turns

TOKENS = {"mlm": 2**22, "guide": 2**19}
"""A unit of work: this many tokens in batches: far more than is made ahead while others have their turn."""


def mlm_torch(batch: int, directory: Path) -> Iterator[Any]:
    """Batches as the trainer's loader gives them."""
    from mlm_core import load_engine

    load_engine("torch")
    from mlm_torch.feed import PlannedLoader

    assembler, plan = _planned(batch, directory)
    return iter(PlannedLoader(assembler, plan, 1, 0))


def mlm_tf(batch: int, directory: Path) -> Iterator[Any]:
    """Batches as `fit` gets them."""
    from mlm_core import load_engine

    load_engine("tf").devices()
    from transformers import AutoConfig

    from mlm_tf.feed import planned_dataset
    from mlm_tf.model import build_model

    assembler, plan = _planned(batch, directory)
    model = build_model(AutoConfig.from_pretrained(directory / "tiny"), "tiny")
    return iter(planned_dataset(model, assembler, plan.all_keys(0)))


def guide_torch(batch: int, directory: Path) -> Iterator[Any]:
    """The collator behind a shuffling DataLoader, as Trainer has it."""
    os.environ["USE_TF"] = "0"
    from torch.utils.data import DataLoader
    from transformers import AutoTokenizer, DataCollatorForLanguageModeling

    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)
    loader = DataLoader(_rows(directory), batch_size=batch, shuffle=True, collate_fn=collator)
    return itertools.chain.from_iterable(iter(loader) for _ in itertools.count())


def guide_tf(batch: int, directory: Path) -> Iterator[Any]:
    """The collator behind `prepare_tf_dataset`."""
    from mlm_core import load_engine

    load_engine("tf").devices()
    from transformers import (
        AutoConfig,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        TFAutoModelForMaskedLM,
    )

    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15, return_tensors="tf")
    model = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(directory / "tiny"))
    return iter(
        model.prepare_tf_dataset(
            _rows(directory), shuffle=True, batch_size=batch, collate_fn=collator
        ).repeat()
    )


def _planned(batch: int, directory: Path) -> Any:
    from transformers import AutoTokenizer

    from mlm_core.batches.batch import BatchAssembler
    from mlm_core.batches.plan import BatchPlan
    from mlm_core.batches.randomness import Stream
    from mlm_core.batches.rule import masking_rule
    from mlm_core.config.config import MaskingConfig

    tokenizer = AutoTokenizer.from_pretrained(directory / "model")
    blocks = np.load(directory / "blocks.npy", mmap_mode="r")
    rule = masking_rule(tokenizer, MaskingConfig(), "model")
    assembler = BatchAssembler(blocks, rule, 42, Stream.TRAINING_MASK)
    return assembler, BatchPlan(blocks=len(blocks), batch_size=batch, seed=42, steps=200_000)


def _rows(directory: Path) -> Any:
    import datasets

    ids = np.load(directory / "blocks.npy").tolist()
    return datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(ids[0])] * len(ids)})


FEEDS = {
    ("mlm", "torch"): mlm_torch,
    ("mlm", "tf"): mlm_tf,
    ("guide", "torch"): guide_torch,
    ("guide", "tf"): guide_tf,
}


def main(variant: str, directory: str) -> None:
    """Take batches until nothing more is asked for."""
    owner, framework, batch = variant.split(":")
    turns = Turns(warm=1)
    batches = FEEDS[owner, framework](int(batch), Path(directory))
    taken = 0
    for made in batches:
        inputs = made[0] if isinstance(made, tuple) else made
        taken += int(np.prod(inputs["input_ids"].shape))
        if taken >= TOKENS[owner]:
            taken = 0
            turns.worked()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(*sys.argv[1:])
