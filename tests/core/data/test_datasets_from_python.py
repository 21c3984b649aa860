"""A `datasets.Dataset` or `DatasetDict`, a list of texts or a data frame in the place of a file."""

import json

import datasets
import numpy as np
import pandas as pd
import pytest
from file_kinds import ANSWERS
from loading import ANSWER_TEXTS, SAMPLE, load

from mlm_core import Config, RequestError


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


ITERABLE = datasets.Dataset.from_dict({"text": ["a"]}).to_iterable_dataset()
TEXTS = ["a cat sat", "", "  ", "the dog ran\nand slept", "naïve café \u00e9"]


def test_a_list_of_texts_is_the_text_of_a_file(tmp_path):
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS), encoding="utf-8")
    expected = load(file)
    frame = pd.DataFrame({"number": [1, 2, 3, 4, 5], "text": TEXTS}, index=[9, 8, 7, 6, 5])
    missing = pd.DataFrame({"text": [*TEXTS, None, float("nan")]})
    for given in (
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        frame["text"],
        frame,
        missing,
        datasets.Dataset.from_dict({"text": TEXTS})["text"],
    ):
        source = load(given=given)
        assert list(source.documents) == list(expected.documents)
        assert source.fingerprint == expected.fingerprint
        assert source.name == "dataset given from Python"


def test_a_data_frame_has_columns_and_splits_like_a_file():
    frame = pd.DataFrame({"title": ["one", "two"], "body": ["a cat sat", "a dog ran"]})
    assert list(load(given=frame, text_column="title").documents) == ["one", "two"]
    assert list(load(given=frame, text_column="body", split="train[1:]").documents) == ["a dog ran"]
    with pytest.raises(RequestError, match=r"--text-column.*title"):
        load(given=frame)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (ITERABLE, "dataset: must be a name or a text, not IterableDataset; make a Dataset of it first"),
        ([], "dataset: holds no text; give at least two texts"),
        (["a text", 5], "dataset: holds int at place 1, where a text belongs"),
        (["a text", None], "dataset: holds None at place 1, where a text belongs"),
        ([{"text": "a"}], "dataset: holds dict at place 0, where a text belongs; .*from_list"),
        (
            {"text": ["a"]},
            "dataset: must be a name or a text, not dict; make a Dataset of it, with datasets",
        ),
        ({}, "dataset: must be a name or a text, not dict"),
        (5, "dataset: must be a name or a text, not int; name a file"),
        (b"text", "dataset: must be a name or a text, not bytes; name a file"),
        (
            Config(),
            r"dataset: must be a name or a text, not Config; give options by name, or use load_engine",
        ),
        (np.zeros((2, 2)), "dataset: must be a name or a text, not ndarray"),
        (pd.DataFrame({"text": ["a", 5]}), "dataset: the data frame cannot be read"),
        (
            [__file__, __file__],
            "dataset: is a list of file names, not of texts; name a directory, or a pattern",
        ),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_text_is_answered_in_a_line(wrong, says):
    with pytest.raises(RequestError, match=says) as raised:
        load(given=wrong)
    assert len(str(raised.value)) < 250
