"""A variant of `evaluation.py`, in a process of its own: `evaluation_worker.py VARIANT BLOCKS DIRECTORY`.

VARIANT is one of
    mlm:torch|tf:float32|bf16:sparse|dense     this project
    guide:torch|tf:float32|bf16                the recipe of Hugging Face
A unit of work is one evaluation of BLOCKS blocks, in batches of 16. Notes the loss and the masked tokens.
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
from rounds import Rounds


def mlm(rounds: Rounds, blocks: int, directory: Path, backend: str, precision: str, head: str) -> None:
    """What `mlm evaluate` does."""
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
        rounds.note(loss=sums.loss, masked_tokens=sums.masked_tokens, head=evaluator.network.head)
        rounds.unit_done()


def hf_recipe_torch(rounds: Rounds, blocks: int, directory: Path, precision: str) -> None:
    """`Trainer.evaluate` without metrics, with a batch of 16 blocks; the guide has 8."""
    from mlm_core import load_engine

    load_engine("torch")
    from transformers import AutoConfig, AutoModelForMaskedLM

    from mlm_torch.hf_recipe import stock_trainer

    network = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(directory / "model"))
    collator = _CountingCollator(directory, "pt")
    with tempfile.TemporaryDirectory() as scratch:
        trainer = stock_trainer(
            network, collator, scratch, test_rows=_rows(blocks, directory),
            per_device_eval_batch_size=BATCH, bf16=precision == "bf16",
        )  # fmt: skip
        while True:
            _evaluate(rounds, collator, lambda: float(trainer.evaluate()["eval_loss"]))


def hf_recipe_tf(rounds: Rounds, blocks: int, directory: Path, precision: str) -> None:
    """`model.evaluate`."""
    from mlm_core import load_engine

    load_engine("tf")
    import tf_keras as keras
    from transformers import AutoConfig, TFAutoModelForMaskedLM

    from mlm_tf.hf_recipe import stock_compile

    if precision == "bf16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = TFAutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(directory / "model"))
    collator = _CountingCollator(directory, "tf")
    rows = _rows(blocks, directory)
    batches = network.prepare_tf_dataset(rows, shuffle=False, batch_size=BATCH, collate_fn=collator)
    stock_compile(network)
    while True:
        _evaluate(rounds, collator, lambda: float(network.evaluate(batches, verbose=0)))


class _CountingCollator:
    """The stock collator, with a count of the masked tokens."""

    def __init__(self, directory: Path, return_tensors: str) -> None:
        from transformers import AutoTokenizer

        from mlm_core.compare.hf_recipe import stock_collator

        tokenizer = AutoTokenizer.from_pretrained(directory / "model")
        self._collator = stock_collator(tokenizer, return_tensors=return_tensors)
        self.masked_tokens = 0

    def __call__(self, rows: Any) -> Any:
        batch = self._collator(rows)
        self.masked_tokens += int((np.asarray(batch["labels"]) != -100).sum())
        return batch


def _evaluate(rounds: Rounds, collator: _CountingCollator, evaluate: Callable[[], float]) -> None:
    collator.masked_tokens = 0
    loss = evaluate()
    rounds.note(loss=loss, masked_tokens=collator.masked_tokens)
    rounds.unit_done()


def _rows(blocks: int, directory: Path) -> Any:
    from mlm_core.compare.hf_recipe import block_rows

    return block_rows(np.load(directory / "blocks.npy")[:blocks])


def main(variant: str, blocks: str, directory: str) -> None:
    """Evaluate until no further evaluation is due."""
    owner, backend, *parts = variant.split(":")
    rounds = Rounds(warm_up=1)
    if owner == "mlm":
        mlm(rounds, int(blocks), Path(directory), backend, *parts)
    else:
        hf_recipe = hf_recipe_torch if backend == "torch" else hf_recipe_tf
        hf_recipe(rounds, int(blocks), Path(directory), *parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
