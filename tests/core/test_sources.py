import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlm_core import RequestError
from mlm_core.corpus import embedded_documents
from mlm_core.sources import load_source
from mlm_core.split import split_documents


def rows(path, *objects):
    path.write_text("\n".join(json.dumps(item) for item in objects), encoding="utf-8")
    return str(path)


def test_text_file_is_a_document_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufefffirst\x0cline\r\n\n  \nsecond\rhalf\n".encode())
    assert load_source(str(path), None).documents == ["first\x0cline", "second\rhalf"]


def test_json_lines_and_nested_lists(tmp_path):
    path = tmp_path / "a.jsonl"
    dataset = rows(
        path,
        {"title": "t", "answers": {"text": ["one", "two"], "score": [1, 2]}},
        {"title": "u", "answers": {"text": ["three"], "score": [1]}},
    )
    assert load_source(dataset, "answers.text").documents == ["one two", "three"]
    assert load_source(dataset, "title").documents == ["t", "u"]
    with pytest.raises(RequestError, match=r"choose with --text-column: title, answers\.text"):
        load_source(dataset, None)
    with pytest.raises(RequestError, match="no such column"):
        load_source(dataset, "answers.body")
    with pytest.raises(RequestError, match="holds no text"):
        load_source(dataset, "answers.score")
    with pytest.raises(RequestError, match="has no columns"):
        load_source(None, "text")


def test_a_row_without_text_is_left_out(tmp_path):
    dataset = rows(tmp_path / "a.jsonl", {"text": "x"}, {"text": None}, {"other": 3}, {"text": "y"})
    assert load_source(dataset, None).documents == ["x", "y"]


def test_the_text_column_is_found(tmp_path):
    path = tmp_path / "a.jsonl"
    assert load_source(rows(path, {"id": 1, "body": "x"}), None).documents == ["x"]
    assert load_source(rows(path, {"title": "t", "text": "x"}, {"text": None}), None).documents == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"\n \n", "holds no text"),
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"text"', "line 2 is not JSON"),
        ("a.jsonl", b"[1]", "not a JSON object"),
        ("a.jsonl", b'{"n": 1}', "no column holds text"),
        ("a.parquet", b"PAR1", "unknown kind"),
        ("a.txt", b"text\n\x00\x01\x02\n", "document 2 is not text"),
        ("a.jsonl", b'{"text": "half a pair \\ud800"}', "document 1 is not text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        load_source(str(path), None)
    assert caught.value.option == "--dataset"


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        load_source(str(tmp_path / "none.txt"), None)
    with pytest.raises(RequestError, match="no such file"):
        load_source("x" * 5000 + ".txt", None)
    with pytest.raises(RequestError, match="is not a file"):
        load_source(str(tmp_path), None)


def test_fingerprint_counts_borders(tmp_path):
    one, two = tmp_path / "1.txt", tmp_path / "2.txt"
    one.write_text("ab\nc", encoding="utf-8")
    two.write_text("a\nbc", encoding="utf-8")
    first, second = load_source(str(one), None), load_source(str(two), None)
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint == load_source(str(one), None).fingerprint


def test_embedded_corpus_is_prose_in_one_line_each():
    documents = embedded_documents()
    assert sum(map(len, documents)) > 1_000_000
    assert all(" ".join(text.split()) == text for text in documents)
    assert documents == embedded_documents()


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 200), test_size=st.floats(0.01, 0.9), seed=st.integers(0, 2**32 - 1))
def test_split_keeps_every_document_once_and_in_order(count, test_size, seed):
    documents = [f"{number:04}" for number in range(count)]
    split = split_documents(documents, test_size, seed)
    assert sorted(split.train + split.test) == documents
    assert split.train == sorted(split.train) and split.test == sorted(split.test)
    assert split.train and split.test
    assert abs(len(split.test) - test_size * count) <= 1
    assert split == split_documents(documents, test_size, seed)


def test_one_document_cannot_be_split():
    with pytest.raises(RequestError, match="too few"):
        split_documents(["alone"], 0.2, 0)
