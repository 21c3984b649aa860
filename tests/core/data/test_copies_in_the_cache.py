"""Files are read through copies in the cache, which must never be out of date or damaged."""

import os

import pytest
from loading import load, rows, texts

from mlm_core import RunError


def test_an_array_is_copied_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.json"
    path.write_text('[{"text": "x"}, {"text": "y"}]', encoding="utf-8")

    def copies():
        texts(path)
        found = (tmp_path / "cache").rglob("*.*")
        return {file: file.stat().st_mtime_ns for file in found if file.suffix in (".jsonl", ".arrow")}

    first = copies()
    assert len(first) == 2 and copies() == first


@pytest.mark.parametrize("replaced", [False, True])
def test_a_changed_file_is_read_again_whatever_its_date(tmp_path, replaced):
    path = tmp_path / "a.txt"
    for content in ("x", "y"):
        if replaced:
            path.unlink(missing_ok=True)
        path.write_text(content, encoding="utf-8")
        os.utime(path, (1, 1))
        assert texts(path) == [content]


def test_a_damaged_copy_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "cache"))
    path = rows(tmp_path / "a.jsonl", {"text": "x"}, {"text": "y"})
    assert texts(path) == ["x", "y"]
    copies = list((tmp_path / "cache").rglob("*.arrow"))
    assert copies
    for copy in copies:
        copy.write_bytes(b"damaged")
    assert texts(path) == ["x", "y"]


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match="set MLM_CACHE"):
        load(rows(tmp_path / "a.jsonl", {"text": "x"}))
