"""The column with the text: found, nested, or with values of several types."""

import pytest
from loading import load, rows, texts

from mlm_core import RequestError


def test_the_text_column_is_found(tmp_path):
    path = tmp_path / "a.jsonl"
    assert texts(rows(path, {"id": 1, "body": "x"})) == ["x"]
    assert texts(rows(path, {"title": "t", "text": "x"}, {"text": None})) == ["x"]


def test_nested_columns_and_lists(tmp_path):
    path = rows(
        tmp_path / "a.jsonl",
        {
            "title": "t",
            "posts": [{"body": "one", "n": 1}, {"body": "two", "n": 2}],
            "deep": [["a"], ["b", "c"]],
        },
        {"title": "u", "posts": [], "deep": []},
    )
    assert texts(path, text_column="posts.body") == ["one two"]
    assert texts(path, text_column="title") == ["t", "u"]
    assert texts(path, text_column="deep") == ["a b c"]
    with pytest.raises(RequestError, match=r"choose with --text-column: title, posts\.body"):
        load(path)
    with pytest.raises(RequestError, match=r"no such column; choose with .*title, posts\.body"):
        load(path, text_column="posts.text")
    with pytest.raises(RequestError, match="holds int, not text"):
        load(path, text_column="posts.n")
    with pytest.raises(RequestError, match="holds further columns, not text"):
        load(path, text_column="posts")


def test_values_of_several_types(tmp_path):
    mixed = rows(tmp_path / "a.jsonl", {"text": "a"}, {"text": ["b", "c"]}, {"text": None})
    assert texts(mixed) == ["a", "b c"]
    wrong = rows(tmp_path / "b.jsonl", {"text": "a"}, {"text": 3})
    with pytest.raises(RequestError, match="row 2 holds int 3, not text"):
        load(wrong)


def test_json_rows_do_not_affect_each_other(tmp_path):
    """Far down, in another file: keys more or fewer, other types, dates; none of it changes a document."""
    many = [{"text": f"document {number}", "n": 1, "tags": []} for number in range(3000)]
    late = [
        {"text": 'said "so" é', "n": 1.5, "tags": ["x"], "more": {"deep": 1}},
        {"n": None},
        {"text": "2020-01-01"},
    ]
    rows(tmp_path / "a.jsonl", *many)
    rows(tmp_path / "b.jsonl", *late)
    rows(tmp_path / "c.jsonl", *many, *late)
    expected = [row["text"] for row in many] + ['said "so" é', "2020-01-01"]
    assert texts(tmp_path / "c.jsonl") == expected
    assert texts(tmp_path / "[ab].jsonl") == expected
    # Objects as they are, too: a date stays what it was.
    assert load(tmp_path / "c.jsonl").documents.raw(3001) == {"text": "2020-01-01"}


def test_a_row_without_text_is_left_out(tmp_path):
    path = rows(
        tmp_path / "a.jsonl", {"text": "x"}, {"text": None}, {"other": 3}, {"text": " "}, {"text": "y"}
    )
    source = load(path)
    assert list(source.documents) == ["x", "y"]
    assert source.documents.raw(1)["text"] == "y"
