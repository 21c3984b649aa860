"""A `datasets.Dataset` or `DatasetDict` in the place of a file."""

import datasets
import pytest
from file_kinds import ANSWERS
from loading import ANSWER_TEXTS, SAMPLE, load

from mlm_core import RequestError


def test_a_dataset_from_python():
    given = datasets.Dataset.from_list(SAMPLE)
    source = load(given=given, text_column=ANSWERS)
    assert list(source.documents) == ANSWER_TEXTS
    assert source.documents.raw(3) == SAMPLE[3]
    both = datasets.DatasetDict({"train": given, "validation": given.select([0, 1])})
    assert list(load(given=both, text_column=ANSWERS).held_out) == ANSWER_TEXTS[:2]
    assert list(load(given=given, text_column=ANSWERS, split="train[:3]").documents) == ANSWER_TEXTS[:3]
    # Rows that were chosen or put in another order in Python.
    assert list(load(given=given.select([5, 2]), text_column=ANSWERS).documents) == [
        ANSWER_TEXTS[5],
        ANSWER_TEXTS[2],
    ]
    with pytest.raises(RequestError, match="has a transform"):
        load(given=given.with_transform(lambda batch: batch), text_column=ANSWERS)
    for wrong in (given.to_iterable_dataset(), ["a text"]):
        with pytest.raises(RequestError, match="neither a datasets"):
            load(given=wrong)
