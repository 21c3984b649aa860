"""The examples of a run, filled with the weights before its training and with those after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch
from mlm_core.batches.masking_rule import known_ids
from mlm_core.errors import RequestError
from mlm_core.model.architectures import length_limit
from mlm_core.model.filling import probabilities, ranked, rows_of_one_length, slot_batch
from mlm_core.model.tokens import readable_token
from mlm_core.report.recorded import Answer, Filled
from mlm_core.system.json_files import BadJsonError, checked
from mlm_core.training.example import EXAMPLES, Example, examples_for, is_short, masked_ids, right_token
from mlm_core.training.run_record import read_facts
from mlm_core.training.setup import TrainingSetup

Logits = Callable[[Batch], NDArray[np.float32]]
"""A model's logits at the masked positions, `[batch, slots, vocabulary]`, without dropout."""

_ANSWERS = 5
_AT_ONCE = 1024
"""Tokens of a batch."""


@dataclass(frozen=True)
class FilledExample:
    """An example with what a model fills in before and after its training.

    Attributes:
        text: the sentence, with `<mask>` in the place of the word.
        word: the word that the text has there; None: unknown.
        before, after: what the model fills in; None: unknown.
    """

    text: str
    word: str | None = None
    before: Filled | None = None
    after: Filled | None = None


class RunExamples:
    """The examples of a run. Every rank has the same, and fills them at the same places.

    Args:
        logits: of the run's model, as it is now.

    Attributes:
        examples: so far.
    """

    def __init__(self, logits: Logits) -> None:
        self.examples: list[FilledExample] = []
        self._logits = logits

    def fill_before(self, setup: TrainingSetup) -> None:
        """Choose the examples of a new run, and fill them with its first weights."""
        chosen = examples_for(setup)
        filled = _filled(chosen, setup, self._logits)
        self.examples = [
            FilledExample(example.text, example.word, before)
            for example, before in zip(chosen, filled, strict=True)
        ]

    def take(self, recorded: Any) -> None:
        """Take the examples of a run that goes on, as `run.json` has them; others than it writes are left."""
        self.examples = [found for found in recorded_examples(recorded) if is_short(found.text)][:EXAMPLES]

    def fill_after(self, setup: TrainingSetup) -> list[FilledExample]:
        """Fill them with the weights of the end."""
        texts = [Example(example.text, example.word) for example in self.examples]
        filled = _filled(texts, setup, self._logits)
        self.examples = [
            replace(example, after=after) for example, after in zip(self.examples, filled, strict=True)
        ]
        return self.examples

    def facts(self) -> list[dict[str, Any]]:
        """The examples in the format of `run.json`."""
        return as_facts(self.examples)


def as_facts(examples: Sequence[FilledExample]) -> list[dict[str, Any]]:
    """The examples in the format of `run.json`."""
    return [asdict(example) for example in examples]


def read_examples(run: Path) -> Any:
    """The examples in a run's `run.json`, unchecked; None where there are none."""
    with suppress(RequestError):
        return (read_facts(run) or {}).get("examples")
    return None


def recorded_examples(recorded: Any) -> list[FilledExample]:
    """The examples as `run.json` has them; empty where they are missing or damaged."""
    try:
        return checked(recorded or [], list[FilledExample])
    except BadJsonError:
        return []


def _filled(examples: Sequence[Example], setup: TrainingSetup, logits: Logits) -> list[Filled | None]:
    found: list[Filled | None] = [None] * len(examples)
    if setup.config.shard:
        # A pass needs every rank, and one alone may fail.
        return found
    # A tokenizer or a model of anyone's may fail on a text; the run is complete without examples.
    with suppress(Exception):
        model = setup.model
        mask_id = int(model.tokenizer.mask_token_id)
        known = known_ids(model.tokenizer, model.name, model.config.vocab_size)
        ids = [np.array(masked_ids(example, model.tokenizer), dtype=np.int64) for example in examples]
        limit = length_limit(model.config)
        if limit is not None and any(len(row) > limit for row in ids):
            return found
        for rows in rows_of_one_length(ids, _AT_ONCE):
            computed = logits(slot_batch([ids[row] for row in rows], mask_id))
            for row, of_mask in zip(rows, computed[:, 0], strict=True):
                if np.isfinite(of_mask).all():
                    right = right_token(examples[row], model.tokenizer)
                    found[row] = _answers(of_mask, right, known, model.tokenizer)
    return found


def _answers(
    logits: NDArray[np.float32], right: int | None, known: NDArray[np.int64], tokenizer: Any
) -> Filled:
    answers = [
        Answer(readable_token(tokenizer, token), score) for token, score in ranked(logits, _ANSWERS, known)
    ]
    if right is None:
        return Filled(answers)
    scores = probabilities(logits)
    rank = 1 + int((scores[known] > scores[right]).sum())
    return Filled(answers, float(scores[right]), rank)
