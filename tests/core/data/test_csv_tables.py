"""Tables of comma-separated values: every cell is text."""

import pytest
from loading import texts


def test_cells_that_look_empty_are_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,NA\n2,null\n3,""\n4,None\n', encoding="utf-8")
    assert texts(path) == ["NA", "null", "None"]


def test_cells_are_read_as_the_text_in_the_file(tmp_path):
    """Also after ten thousand rows and in another file, where a reader would guess types again."""
    cells = ["007", "1e5", "True", "1.10", "NA", "null", "2020-01-01", '"quoted, é"']
    first = "text,n\n" + "doc,1\n" * 12_000
    (tmp_path / "a.csv").write_text(first + "".join(f"{cell},2.5\n" for cell in cells), encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        "n,more,text\n" + "".join(f"x,y,{cell}\n" for cell in cells), encoding="utf-8"
    )
    wanted = [cell.strip('"') for cell in cells]
    assert texts(tmp_path / "a.csv")[12_000:] == wanted
    assert texts(tmp_path / "b.csv") == wanted
    assert texts(tmp_path / "*.csv")[12_000:] == [*wanted, *wanted]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found(tmp_path, separator):
    path = tmp_path / "a.csv"
    lines = [["id", "body"], ["1", '"a, b; c"'], ["2", "plain"]]
    path.write_text("".join(separator.join(line) + "\r\n" for line in lines), encoding="utf-8")
    assert texts(path) == ["a, b; c", "plain"]
    path.write_text('body\n"one; two, three"\nfour\n', encoding="utf-8")
    assert texts(path) == ["one; two, three", "four"]


def test_an_index_without_a_name_is_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",body\n0,x\n1,y\n", encoding="utf-8")
    assert texts(path) == ["x", "y"]
