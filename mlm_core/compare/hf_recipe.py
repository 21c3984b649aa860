"""The Hugging Face recipe: transformers' guide to masked language modeling, with stock classes only.

The guide is https://huggingface.co/docs/transformers/tasks/masked_language_modeling; up to transformers 4.56
it has a PyTorch half and a TensorFlow half. What both share is here, the Trainer in `mlm_torch.hf_recipe`,
and `compile` and `fit` in `mlm_tf.hf_recipe`. Importing this module imports no library.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

LEARNING_RATE, WEIGHT_DECAY, MLM_PROBABILITY = 2e-5, 0.01, 0.15
"""The guide's own options."""


def tokenize(examples: Mapping[str, Any], tokenizer: Any, column: str) -> Any:
    """Tokenise a batch of documents, each a list of texts in `column`, for `datasets.Dataset.map`."""
    return tokenizer([" ".join(texts) for texts in examples[column]])


def group_texts(examples: Mapping[str, Any], block_size: int, labels: bool = False) -> dict[str, Any]:
    """Concatenate a batch of documents and cut it into blocks, for `datasets.Dataset.map`.

    The remainder after the last full block is dropped. The guide joins the lists with `sum(lists, [])`, whose
    time grows with the square of their number; this joins them in linear time.

    Args:
        examples: lists of tokens by column.
        block_size: tokens in a block.
        labels: also copy the blocks to a column `labels`, as the notebooks of the guide do.
    """
    joined = {name: list(chain(*lists)) for name, lists in examples.items()}
    length = len(next(iter(joined.values()))) // block_size * block_size
    blocks: dict[str, Any] = {
        name: [tokens[start : start + block_size] for start in range(0, length, block_size)]
        for name, tokens in joined.items()
    }
    return blocks | {"labels": blocks["input_ids"].copy()} if labels else blocks


def block_rows(blocks: Any) -> Any:
    """Blocks, `[count, block size]`, as the rows of a `datasets.Dataset`: what `group_texts` leaves."""
    import datasets

    ones = [[1] * blocks.shape[1]] * len(blocks)
    return datasets.Dataset.from_dict({"input_ids": blocks.tolist(), "attention_mask": ones})


def stock_collator(
    tokenizer: Any, mlm_probability: float = MLM_PROBABILITY, return_tensors: str = "pt"
) -> Any:
    """The collator that masks: "pt" for tensors of PyTorch, "tf" for those of TensorFlow."""
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(
        tokenizer=tokenizer, mlm_probability=mlm_probability, return_tensors=return_tensors
    )


class StepClock:
    """Measures the seconds from step to step, for a callback of a framework.

    Args:
        step_done: called after each step with its seconds. The time that the call takes is not counted.
    """

    def __init__(self, step_done: Callable[[float], None]) -> None:
        self._step_done = step_done
        self.start()

    def start(self) -> None:
        """Start timing a step."""
        self._started = time.perf_counter()

    def step_done(self) -> None:
        """A step is done; start timing the next one."""
        self._step_done(time.perf_counter() - self._started)
        self.start()
