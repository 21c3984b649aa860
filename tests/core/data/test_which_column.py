"""Which column is trained on is never a guess, and never unsaid; neither are the rows that are left out."""

import csv
import json
import random

import pytest
from loading import load, rows, said, texts

from mlm_core import RequestError


def as_csv(path, items):
    """Write a table; None and missing values are empty cells."""
    names = list(dict.fromkeys(name for item in items for name in item))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(items)
    return path


def as_json(path, items):
    return rows(path, *items)


@pytest.mark.parametrize("write", [as_json, as_csv])
@pytest.mark.parametrize("blank", [None, ""])
@pytest.mark.parametrize("late", [0, 999, 1000, 1001, 2500])
def test_a_column_called_text_wins_wherever_it_begins(tmp_path, capsys, write, blank, late):
    items = [{"title": f"title {n}", "text": blank if n < late else f"body {n}"} for n in range(2600)]
    documents, err = said(capsys, write(tmp_path / ("a.csv" if write is as_csv else "a.jsonl"), items))
    assert documents == [f"body {n}" for n in range(late, 2600)]
    if late:
        assert f"the text is in column text; {late:,} of 2,600 rows have none, and are left out" in err


def test_a_column_called_text_wins_though_the_first_rows_lack_it(tmp_path):
    items = [{"title": f"title {n}"} for n in range(1500)] + [{"title": "t", "text": "body"}] * 2
    assert texts(as_json(tmp_path / "a.jsonl", items)) == ["body", "body"]


@pytest.mark.parametrize("write", [as_json, as_csv])
def test_a_text_that_begins_late_is_a_candidate(tmp_path, write):
    items = [{"title": f"title {n}", "body": None if n < 1500 else f"body {n}"} for n in range(1600)]
    path = write(tmp_path / ("a.csv" if write is as_csv else "a.jsonl"), items)
    with pytest.raises(RequestError, match="choose with --text-column: title, body"):
        load(path)
    assert len(texts(path, text_column="body")) == 100


@pytest.mark.parametrize(
    "cells",
    [map(str, range(1500)), ["", *map(str, range(9))], ["1.5", "-2e9", "nan", "1,000"], ["true", "False"]],
)
def test_a_table_without_text_is_refused_not_trained_on(tmp_path, cells):
    path = as_csv(tmp_path / "a.csv", [{"id": cell, "n": "1"} for cell in cells])
    with pytest.raises(RequestError, match=r"no column holds text: id \(numbers or nothing\)") as caught:
        load(path)
    assert caught.value.code == "ambiguous_column"


def test_a_requested_column_of_numbers_is_read(tmp_path):
    path = as_csv(tmp_path / "a.csv", [{"id": str(n), "word": f"w{n}"} for n in range(5)])
    assert texts(path, text_column="id") == ["0", "1", "2", "3", "4"]
    with pytest.raises(RequestError, match="no such column; choose with --text-column: word"):
        load(path, text_column="body")


@pytest.mark.parametrize("shared", ["id", "title"])
@pytest.mark.parametrize("columns", [("text", "body"), ("body", "text"), ("a", "b")])
def test_tables_with_different_columns_are_not_read_for_what_they_share(tmp_path, shared, columns):
    for number, column in enumerate(columns):
        items = [{shared: f"a{n}", column: f"words of row {n}"} for n in range(5)]
        as_csv(tmp_path / f"{number}.csv", items)
    with pytest.raises(
        RequestError, match=r"has other columns than 0\.csv: '\w+', '\w+' not in both"
    ) as caught:
        load(tmp_path)
    assert "--text-column" in caught.value.fix
    # A column that both have is read on request.
    assert texts(tmp_path, text_column=shared) == [f"a{n}" for n in range(5)] * 2


def test_tables_may_differ_beside_the_text(tmp_path):
    as_csv(tmp_path / "1.csv", [{"id": "1", "text": "one"}])
    as_csv(tmp_path / "2.csv", [{"text": "two", "more": "x"}])
    assert texts(tmp_path) == ["one", "two"]


def test_rows_without_the_column_are_counted(tmp_path, capsys):
    items = [{"text" if n % 2 else "Text": f"words of row {n}"} for n in range(100)]
    documents, err = said(capsys, as_json(tmp_path / "a.jsonl", items))
    assert len(documents) == 50
    assert "the text is in column text; 50 of 100 rows have none, and are left out" in err


def test_the_column_is_said_where_it_is_not_called_text(tmp_path, capsys):
    items = [{"id": n, "body": f"words {n}"} for n in range(4)]
    _, err = said(capsys, as_json(tmp_path / "a.jsonl", items))
    assert "the text is in column body" in err and "left out" not in err


def test_all_of_any_file_is_read_or_counted(tmp_path, capsys):
    """Whichever rows lack the text: documents read and rows left out add up to the rows of the file."""
    draw = random.Random(7)
    for number in range(20):
        total = draw.randint(2, 40)
        items = [
            draw.choice([{"text": "words"}, {"text": None}, {"text": " "}, {"other": "words"}, {}])
            for _ in range(total - 1)
        ] + [{"text": "words"}]
        documents, err = said(capsys, as_json(tmp_path / f"{number}.jsonl", items))
        left = total - len(documents)
        assert len(documents) == sum((item.get("text") or "").strip() != "" for item in items)
        assert f"{left} of {total} rows have none" in err or (left == 0 and "left out" not in err)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson"])
@pytest.mark.parametrize("more", [{}, {"version": 1}, {"name": "a data set", "license": {"id": "mit"}}])
def test_an_object_with_the_rows_inside_is_not_one_document(tmp_path, indent, suffix, more):
    content = more | {"data": [{"text": f"words {n}"} for n in range(3)]}
    path = tmp_path / f"a{suffix}"
    path.write_text(json.dumps(content, indent=indent), encoding="utf-8")
    assert texts(path) == ["words 0", "words 1", "words 2"]


def test_json_whose_first_line_is_only_its_beginning(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"version": 1, "data": [\n{"text": "x"},\n{"text": "y"}\n]}\n', encoding="utf-8")
    assert texts(path) == ["x", "y"]
