"""Documents to token ids: whole and in order, in any batches and any number of processes."""

import time

import numpy as np
import pytest
from tiny_models import sentences, write_tokenizer

from mlm_core import Config, RequestError, RunError
from mlm_core.batches.masking_rule import padding_id
from mlm_core.data.document_borders import DocumentBorders, document_borders
from mlm_core.data.documents import listed_documents
from mlm_core.data.tokenization import backend_of
from mlm_core.data.tokenization_worker import TokenizationWorker
from mlm_core.data.tokenize_documents import tokenize_documents
from mlm_core.data.tokenizer_fingerprint import tokenizer_fingerprint
from mlm_core.data.train_tokenizer import train_tokenizer

SPECIAL = DocumentBorders(special=True, separator=None)


@pytest.fixture(scope="module")
def documents():
    # The last document is longer than the model takes, so truncation would show; there are several batches.
    return listed_documents([*sentences(2300), "the cat " * 200])


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(sentences(200), 300, 64)


def whole(tokenizer, documents, borders=SPECIAL, processes=1):
    return np.concatenate(list(tokenize_documents(tokenizer, documents, borders, processes, pytest.fail)))


def test_documents_are_whole_with_their_special_tokens(tokenizer, documents):
    joined = sum((tokenizer(text)["input_ids"] for text in documents), [])  # noqa: RUF017
    assert whole(tokenizer, documents).tolist() == joined
    assert joined[0] == tokenizer.bos_token_id and joined[-1] == tokenizer.eos_token_id
    assert len(tokenizer(documents[len(documents) - 1])["input_ids"]) > 64


def test_no_length_warning(tokenizer, documents, caplog, capsys):
    tokenizer.deprecation_warnings.clear()
    whole(tokenizer, documents[2300:])
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("batch", "processes"), [(7, 1), (7, 3), (1000, 2)])
def test_content_and_order_depend_on_neither_batch_nor_processes(
    tokenizer, documents, monkeypatch, batch, processes
):
    expected = whole(tokenizer, documents)
    some = documents if batch == 1000 else documents[:60]
    monkeypatch.setattr("mlm_core.data.documents.BATCH", batch)
    monkeypatch.setattr("mlm_core.data.tokenize_documents.BATCH", batch)
    found = whole(tokenizer, some, processes=processes)
    assert np.array_equal(found, expected[: len(found)])
    assert len(found) == len(whole(tokenizer, some))


def test_a_slow_tokenizer_is_slow_in_its_workers_too(tmp_path, documents):
    from transformers import BertTokenizer

    write_tokenizer(tmp_path, "bert")
    slow = BertTokenizer.from_pretrained(tmp_path)
    assert np.array_equal(whole(slow, documents, processes=2), whole(slow, documents, processes=1))


@pytest.mark.parametrize("alone", [True, False], ids=["backend alone", "with transformers"])
def test_workers_split_special_tokens_as_the_tokenizer_does(tokenizer, monkeypatch, alone):
    texts = listed_documents([*["a cat"] * 1100, *["a <mask> of </s> cats"] * 100])
    if not alone:
        monkeypatch.setattr("mlm_core.data.tokenize_documents.sufficient_backend", lambda *of: None)
    split = train_tokenizer(sentences(200), 300, 64)
    split.split_special_tokens = True
    apart = whole(split, texts, processes=1)
    assert len(apart) > len(whole(tokenizer, texts, processes=1))
    assert np.array_equal(whole(tokenizer, texts, processes=2), whole(tokenizer, texts, processes=1))
    assert np.array_equal(whole(split, texts, processes=2), apart)


def test_one_separator_for_each_document(tokenizer):
    borders = document_borders(tokenizer, Config(document_borders="separator"), "a model")
    assert borders == DocumentBorders(special=False, separator=tokenizer.sep_token_id)
    texts = ["the cat sat", "a dog"]
    plain = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    expected = [*plain[0], tokenizer.sep_token_id, *plain[1], tokenizer.sep_token_id]
    assert whole(tokenizer, listed_documents(texts), borders).tolist() == expected
    tokenizer_without = train_tokenizer(sentences(20), 300, 64)
    tokenizer_without.sep_token = tokenizer_without.eos_token = None
    with pytest.raises(RequestError, match="no separator"):
        document_borders(tokenizer_without, Config(document_borders="separator"), "a model")


def test_the_padding_token_is_the_tokenizers_own_or_else_its_end_token(tokenizer):
    assert padding_id(tokenizer, "a model") == tokenizer.pad_token_id
    without = train_tokenizer(sentences(20), 300, 64)
    without.pad_token = None
    assert padding_id(without, "a model") == without.eos_token_id
    without.eos_token = without.sep_token = None
    with pytest.raises(RequestError, match="no padding token"):
        padding_id(without, "a model")


@pytest.mark.parametrize("waited", [False, True])
def test_a_worker_that_has_ended_is_an_error(tokenizer, waited):
    for _ in range(1 if waited else 8):
        with TokenizationWorker(tokenizer, SPECIAL, backend_of(tokenizer)) as worker:
            assert worker(["the cat"]).tolist() == tokenizer("the cat")["input_ids"]
            worker._process.kill()
            if waited:
                worker._process.wait()
            with pytest.raises(RunError, match="has ended"):
                worker(["the cat"])


def test_modules_in_the_current_directory_do_no_harm(tokenizer, documents, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(whole(tokenizer, documents, processes=2), whole(tokenizer, documents))


def test_the_last_words_of_a_worker_are_in_the_error(tokenizer):
    message = r"has ended \(TypeError: object of type"
    with (
        TokenizationWorker(tokenizer, SPECIAL, backend_of(tokenizer)) as worker,
        pytest.raises(RunError, match=message),
    ):
        worker([3])


def test_an_early_exit_does_not_wait_for_the_workers(tokenizer, documents):
    pieces = tokenize_documents(tokenizer, documents, SPECIAL, 2, pytest.fail)
    next(pieces)
    start = time.monotonic()
    pieces.close()
    assert time.monotonic() - start < 5


def test_fingerprints_of_tokenizers():
    tokenizer = train_tokenizer(sentences(50), 300, 64)
    fingerprint = tokenizer_fingerprint(tokenizer)
    tokenizer(["the cat", "a"], padding=True, truncation=True, max_length=3)
    assert tokenizer_fingerprint(tokenizer) == fingerprint
    tokenizer.split_special_tokens = True
    assert tokenizer_fingerprint(tokenizer) != fingerprint
    assert tokenizer_fingerprint(train_tokenizer(sentences(40), 300, 64)) != fingerprint
