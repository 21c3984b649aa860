"""Splits of a dataset, and documents held out from a dataset without splits."""

import pytest
from file_kinds import ANSWERS, as_lines, as_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import ANSWER_TEXTS, SAMPLE, load, rows, texts

from mlm_core import Config, RequestError
from mlm_core.data.documents import listed_documents
from mlm_core.data.held_out import split_documents
from mlm_core.data.local_files import local_files
from mlm_core.data.sources import load_source
from mlm_core.progress import Progress


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("my_train-00001.jsonl", "train"),
        ("latest.jsonl", "train"),
        ("validation.jsonl", "validation"),
        ("dev/a.jsonl", "validation"),
        ("data/test-0.jsonl", "test"),
        ("contest.jsonl", "train"),
    ],
)
def test_names_in_a_directory_tell_the_split(tmp_path, name, split):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    rows(path, {"text": "x"})
    assert local_files(str(tmp_path)).by_split() == {split: [path]}


def test_a_datasets_own_split_is_held_out_unless_a_share_is_requested(tmp_path):
    as_lines(tmp_path / "train.jsonl", SAMPLE[:40])
    as_lines(tmp_path / "test.jsonl", SAMPLE[40:44])
    own = load(tmp_path, text_column=ANSWERS)
    assert (list(own.documents), list(own.held_out)) == (ANSWER_TEXTS[:40], ANSWER_TEXTS[40:44])
    as_lines(tmp_path / "validation.jsonl", SAMPLE[44:])
    assert list(load(tmp_path, text_column=ANSWERS).held_out) == ANSWER_TEXTS[44:]
    assert load(tmp_path, text_column=ANSWERS, test_size=0.5).held_out is None
    one = load(tmp_path, text_column=ANSWERS, split="test")
    assert (list(one.documents), one.held_out) == (ANSWER_TEXTS[40:44], None)
    fingerprints = {
        load(tmp_path, text_column=ANSWERS, **more).fingerprint for more in ({}, {"test_size": 0.5})
    }
    assert len({own.fingerprint, *fingerprints}) == 3
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(RequestError, match="choose from test, validation"):
        load(tmp_path, text_column=ANSWERS)


def test_split_slices(tmp_path):
    path = tmp_path / "a.parquet"
    as_parquet(path, SAMPLE)
    assert texts(path, text_column=ANSWERS, split="train[:5]") == ANSWER_TEXTS[:5]
    assert texts(path, text_column=ANSWERS, split="train[25%:50%]") == ANSWER_TEXTS[12:24]
    assert (
        texts(path, text_column=ANSWERS, split="train[:2]+train[40:]") == ANSWER_TEXTS[:2] + ANSWER_TEXTS[40:]
    )
    for wrong in ("tarin", "train[:x]", "train[:5", "train[600:900]", "train+train", "train[:9]+train[8:]"):
        with pytest.raises(RequestError) as caught:
            load(path, text_column=ANSWERS, split=wrong)
        assert (caught.value.option, caught.value.value) == ("--split", wrong)


def test_used_and_unused_splits_are_reported(tmp_path, capsys):
    for split in ("train", "validation", "test"):
        rows(tmp_path / f"{split}.jsonl", {"text": "x"})
    config = Config(dataset=str(tmp_path))
    load_source(config, progress=Progress.of(config))
    assert "its split train, evaluated on its split validation; not used: test" in capsys.readouterr().err


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 200), test_size=st.floats(0.01, 0.9), seed=st.integers(0, 2**32 - 1))
def test_split_keeps_every_document_once_and_in_order(count, test_size, seed):
    documents = listed_documents([f"{number:04}" for number in range(count)])
    split = split_documents(documents, test_size, seed, "a file")
    train, test = list(split.train), list(split.test)
    assert sorted(train + test) == list(documents)
    assert train == sorted(train) and test == sorted(test)
    assert train and test
    assert abs(len(test) - test_size * count) <= 1
    again = split_documents(documents, test_size, seed, "a file")
    assert (list(again.train), list(again.test)) == (train, test)
    assert again.train.fingerprint == split.train.fingerprint != split.test.fingerprint


def test_one_document_cannot_be_split():
    with pytest.raises(RequestError, match="too few"):
        split_documents(listed_documents(["alone"]), 0.2, 0, "a file")
