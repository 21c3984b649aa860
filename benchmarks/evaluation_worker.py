"""A variant of `evaluation.py`, in a process of its own: `evaluation_worker.py VARIANT BLOCKS DIRECTORY`.

VARIANT is one of
    mlm:torch|tf:float32|bf16:sparse|dense     this project
    guide:torch|tf:float32|bf16                the masked-language-modeling guide's own recipe
A unit of work is one evaluation of so many blocks, in batches of 16. Notes the loss and the masked tokens.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from inputs import BATCH, BLOCK
from rounds import Turns


def mlm(turns: Turns, blocks: int, directory: Path, backend: str, precision: str, head: str) -> None:
    """`mlm evaluate`, from Python."""
    os.environ["MLM_CACHE"] = str(directory / "cache")
    from mlm_core import Config, load_engine
    from mlm_core.batches.plan import evaluation_keys

    config = Config(
        dataset=str(directory / "text.jsonl"), model=str(directory / "model"), from_scratch=True,
        batch_size=BATCH, block_size=BLOCK, precision=precision, mlm_head=head, quiet=True,
    )  # fmt: skip
    evaluator = load_engine(backend).evaluator(config, whole=True)
    evaluator.setup = replace(evaluator.setup, evaluation_keys=evaluation_keys(blocks, BATCH))
    while True:
        sums = evaluator.evaluate()
        turns.note(loss=sums.mean_loss, masked_tokens=sums.masked_tokens, head=evaluator.network.head)
        turns.worked()


def guide_torch(turns: Turns, blocks: int, directory: Path, precision: str) -> None:
    """`Trainer.evaluate` without metrics, as in the guide's PyTorch half; a batch of 16 in the place of 8."""
    os.environ["USE_TF"] = "0"
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )  # fmt: skip

    model = directory / "model"
    network = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(model))
    collator = DataCollatorForLanguageModeling(AutoTokenizer.from_pretrained(model), mlm_probability=0.15)
    counted = _Counted(collator)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, per_device_eval_batch_size=BATCH, report_to=[], disable_tqdm=True,
            bf16=precision == "bf16", use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        trainer = Trainer(
            model=network, args=arguments, eval_dataset=_rows(blocks, directory), data_collator=counted
        )
        while True:
            _evaluate(turns, counted, lambda: float(trainer.evaluate()["eval_loss"]))


def guide_tf(turns: Turns, blocks: int, directory: Path, precision: str) -> None:
    """`model.evaluate`, as in the guide's TensorFlow half."""
    os.environ |= {"USE_TF": "1", "USE_TORCH": "0", "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import tf_keras as keras
    import transformers.utils.import_utils as found

    # transformers 4.57 does not import its TensorFlow Trainer parts beside accelerate without PyTorch.
    found._accelerate_available = False
    from transformers import (
        AdamWeightDecay,
        AutoConfig,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        TFAutoModelForMaskedLM,
    )  # fmt: skip

    if precision == "bf16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = directory / "model"
    network = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(model))
    collator = DataCollatorForLanguageModeling(
        AutoTokenizer.from_pretrained(model), mlm_probability=0.15, return_tensors="tf"
    )
    counted = _Counted(collator)
    batches = network.prepare_tf_dataset(
        _rows(blocks, directory), shuffle=False, batch_size=BATCH, collate_fn=counted
    )
    network.compile(optimizer=AdamWeightDecay(learning_rate=2e-5, weight_decay_rate=0.01))
    while True:
        _evaluate(turns, counted, lambda: float(network.evaluate(batches, verbose=0)))


class _Counted:
    """A collator that counts the masked tokens."""

    def __init__(self, collator: Any) -> None:
        self._collator = collator
        self.masked_tokens = 0

    def __call__(self, rows: Any) -> Any:
        batch = self._collator(rows)
        self.masked_tokens += int((np.asarray(batch["labels"]) != -100).sum())
        return batch


def _evaluate(turns: Turns, counted: _Counted, evaluate: Callable[[], float]) -> None:
    counted.masked_tokens = 0
    loss = evaluate()
    turns.note(loss=loss, masked_tokens=counted.masked_tokens)
    turns.worked()


def _rows(blocks: int, directory: Path) -> Any:
    """The first blocks, as the guide has them after grouping."""
    import datasets

    ids = np.load(directory / "blocks.npy")[:blocks].tolist()
    ones = [[1] * BLOCK] * len(ids)
    return datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": ones, "labels": ids})


def main(variant: str, blocks: str, directory: str) -> None:
    """Evaluate until nothing more is asked for."""
    owner, backend, *parts = variant.split(":")
    turns = Turns(warm=1)
    if owner == "mlm":
        mlm(turns, int(blocks), Path(directory), backend, *parts)
    else:
        (guide_torch if backend == "torch" else guide_tf)(turns, int(blocks), Path(directory), *parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
