"""What is wrong with a file or a request, in one clear line."""

import gzip
import os

import pytest
from loading import load, rows

from mlm_core import RequestError
from mlm_core.data.embedded_corpus import LIBRARY


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"\n \n", "holds no text"),
        ("a.txt", b"\xff\xfe\x00", r"line 1 is not UTF-8 text \(byte 0xff\)"),
        ("a.txt", "a café".encode("latin-1"), "not UTF-8"),
        ("a.txt", b"text\n\x00\x01\x02\n", "line 2 contains invalid characters"),
        ("a.csv", "text\nx\ncafé\n".encode("latin-1"), "line 3 is not UTF-8"),
        ("a.csv", b"id,text\n", "holds no rows"),
        ("a.csv", b"text,text\na,b\n", "two columns are called text"),
        ("a.csv", b"id,text\n1,a\n2,a,b\n", "line 3 has 3 fields, the header has 2"),
        ("a.csv", b"id,text,more\n1,a,b\n2,a\n", "line 3 has 2 fields, the header has 3"),
        ("a.tsv", b"id\ttext\n1\ta\tb\n", "line 2 has 3 fields, the header has 2"),
        ("a.jsonl", b'{"text": "x"}\n{"text"', "line 2 is not JSON"),
        ("a.jsonl", b'{"text": "x"}\nplain\n', "line 2 is not JSON"),
        ("a.jsonl", b"3\n", "line 1 is not a JSON object"),
        ("a.json", b'[{"text": "x"},\n {"text": }]', "line 2 is not JSON"),
        ("a.json", b'[{"text": "x"}, 3]', "item 2 of the array is not a JSON object"),
        ("a.jsonl", b'{"n": 1}', r"no column holds text: n \(int\)"),
        ("a.jsonl", b'{"text": [1, 2]}', r"no column holds text: text \(lists of int\)"),
        ("a.jsonl", b'{"text": "half a pair \\ud800"}', "document 1 contains invalid characters"),
        ("a.jsonl", bytes(range(256)), "not UTF-8"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.arrow", b"ARROW1", "cannot be read"),
        ("a.jsonl.gz", b"not compressed", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 1000, mtime=0)[:40], "cannot be read"),
        ("a.pdf", b"%PDF", "unknown kind"),
    ],
)
def test_errors_of_single_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        load(path)
    assert (caught.value.option, caught.value.value) == ("--dataset", str(path))


def test_the_wrong_file_of_several_is_named(tmp_path):
    rows(tmp_path / "a.jsonl", {"text": "x"})
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n{"text": ', encoding="utf-8")
    with pytest.raises(RequestError, match=r"b\.jsonl: line 2 is not JSON"):
        load(tmp_path / "*.jsonl")


def test_missing_unreadable_or_mixed_files(tmp_path):
    for missing in (tmp_path / "none.txt", "x" * 5000 + ".txt", tmp_path / "*.jsonl", "./none"):
        with pytest.raises(RequestError, match="no such file"):
            load(missing)
    with pytest.raises(RequestError, match="holds no file of text"):
        load(tmp_path)
    rows(tmp_path / "a.jsonl", {"text": "x"})
    (tmp_path / "b.txt").write_text("x", encoding="utf-8")
    with pytest.raises(RequestError, match=r"several kinds, \.jsonl and \.txt"):
        load(tmp_path)
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    (tmp_path / "secret.txt").chmod(0)
    if os.geteuid():
        with pytest.raises(RequestError, match="cannot be read"):
            load(tmp_path / "secret.txt")


@pytest.mark.parametrize("name", ["eli5", "ELI5", "eli5_category", "rexarski/eli5_category"])
def test_eli5_no_longer_loads_and_its_copy_is_suggested(name):
    with pytest.raises(RequestError, match="no longer loads") as caught:
        load(name)
    assert "--dataset dany0407/eli5_category --dataset-revision refs/convert/parquet" in caught.value.fix
    assert "--text-column answers.text" in caught.value.fix


def test_options_that_apply_to_another_kind_of_dataset(tmp_path):
    path = rows(tmp_path / "a.jsonl", {"text": "x"})
    for options in ({"dataset_revision": "main"}, {"dataset_config": "en"}):
        with pytest.raises(RequestError, match="applies only to a dataset on the Hub"):
            load(path, **options)
    for options in ({"text_column": "text"}, {"split": "train"}, {"dataset_revision": "main"}):
        for part in (None, LIBRARY):
            with pytest.raises(RequestError, match=r"does not apply to the embedded corpus, python:\w+"):
                load(part, **options)
