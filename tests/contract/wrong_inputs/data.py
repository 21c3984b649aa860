"""Text."""

# A row a line.
# ruff: noqa: E501

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet

from wrong_inputs.row import Wrong

GOOD = b'{"text": "a cat sat on the mat"}\n' * 9


def data(
    name: str, files: dict[str, bytes | str], error: str, says: str = "", more: str = "", **of: object
) -> Wrong:
    dataset = next(iter(files)) if len(files) == 1 else "many"
    return Wrong(
        f"data-{name}",
        f"prepare --dataset {dataset} --model model --block-size 8 {more}",
        error,
        says,
        files=files,
        **of,  # type: ignore[arg-type]
    )


def two_columns() -> bytes:
    """A Parquet file with two columns of one name."""
    table = pyarrow.table([pyarrow.array(["a b"] * 9)] * 2, names=["text", "text"])
    content = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, content)
    return content.getvalue().to_pybytes()


def _pipe(directory: Path) -> None:
    (directory / "pipe.txt").unlink()
    os.mkfifo(directory / "pipe.txt")


ROWS = [
    Wrong("data-missing", "prepare --dataset none.jsonl", "missing_file"),
    Wrong("data-empty-directory", "prepare --dataset empty", "missing_file", change=lambda d: (d / "empty").mkdir()),
    data("empty", {"a.txt": b""}, "empty_file"),
    data("blank", {"a.txt": b"\n \n\t\n"}, "empty_file"),
    data("one", {"a.txt": b"one\n"}, "too_little_data"),
    data("short", {"a.txt": b"one\ntwo\n"}, "too_little_data", "--last-block pad"),
    data("latin-1", {"a.txt": "caf\u00e9\n".encode("latin-1") * 9}, "malformed_file", "line 1 is not UTF-8"),
    data("latin-1-gz", {"a.txt.gz": gzip.compress("x\ncaf\u00e9\n".encode("latin-1"))}, "malformed_file", "line 2"),
    data("nul", {"a.txt": b"a\0b\n" * 9}, "malformed_file", "line 1"),
    data("unknown-kind", {"a.pdf": b"%PDF"}, "unknown_format"),
    data("two-kinds", {"many/a.txt": b"x\n", "many/b.csv": b"text\nx\n"}, "mixed_kinds"),
    data("pipe", {"pipe.txt": b""}, "not_a_file", change=_pipe),
    data("jsonl-broken", {"a.jsonl": GOOD + b'{"text": \n'}, "malformed_file", "line 10"),
    data("jsonl-a-list", {"a.jsonl": GOOD + b"[1]\n"}, "malformed_file", "line 10"),
    data("jsonl-deep", {"a.jsonl": GOOD + b'{"text": ' + b"[" * 99_000 + b"\n"}, "malformed_file", "line 10"),
    data("jsonl-digits", {"a.jsonl": GOOD + b'{"text": "a", "n": ' + b"9" * 5000 + b"}\n"}, "malformed_file", "line 10"),
    data("json-empty", {"a.json": b"[]"}, "malformed_file", "empty"),
    data("json-numbers", {"a.json": b"[1, 2]"}, "malformed_file", "item 1"),
    data("json-deep", {"a.json": b"[" * 99_000}, "malformed_file"),
    data("json-broken", {"a.json": b'[{"text": "a"},\n{"text" "b"}]'}, "malformed_file", "line 2"),
    data("json-number-as-text", {"a.jsonl": GOOD + b'{"text": 3}\n'}, "wrong_column", "row 10"),
    data("json-half-a-character", {"a.jsonl": GOOD + b'{"text": "\\ud800"}\n'}, "malformed_file", "document 10"),
    data("csv-of-ids", {"a.csv": b"id\n1\n2\n3\n"}, "ambiguous_column", "numbers"),
    data("csv-ragged", {"a.csv": b"id,text\n1,a\n2,b,c\n"}, "malformed_file", "line 3"),
    data("csv-two-names", {"a.csv": b"text,text\na,b\n"}, "malformed_file", "two columns"),
    data("csv-header-alone", {"a.csv": b"id,text\n"}, "empty_file"),
    data("csv-open-quote", {"a.csv": b'id,text\n1,"a\n'}, "malformed_file", "begins in line 2 has a quotation mark that is never closed"),
    data("csv-others", {"many/a.csv": b"id,text\n1,a\n", "many/b.csv": b"id,body\n1,a\n"}, "mixed_columns", "'body'"),
    data("parquet-two-names", {"a.parquet": two_columns()}, "malformed_file", "two columns are called text"),
    data("parquet-broken", {"a.parquet": b"PAR1"}, "malformed_file"),
    data("parquet-gz-broken", {"a.parquet.gz": gzip.compress(b"PAR1")}, "malformed_file"),
    data("arrow-broken", {"a.arrow": b"ARROW1"}, "malformed_file"),
    data("gz-of-nothing", {"a.txt.gz": b"no gzip"}, "malformed_file", "cannot be read"),
    data("gz-cut", {"a.jsonl.gz": gzip.compress(GOOD * 50)[:40]}, "malformed_file", "cannot be read"),
    data("gz-damaged", {"a.txt.gz": gzip.compress(os.urandom(400))[:200] + b"\xff\0" * 90}, "malformed_file"),
    data("bz2-damaged", {"a.txt.bz2": b"BZh9garbage"}, "malformed_file", "cannot be read"),
    data("xz-damaged", {"a.txt.xz": b"\xfd7zXZ\0garbage"}, "malformed_file", "cannot be read"),
    data("zst-damaged", {"a.txt.zst": b"(\xb5/\xfdgarbage"}, "malformed_file", "cannot be read"),
    data("no-such-column", {"a.jsonl": GOOD}, "missing_column", "choose with --text-column", "--text-column body"),
    data("column-of-numbers", {"a.jsonl": b'{"text": "a", "n": 1}\n' * 9}, "wrong_column", "", "--text-column n"),
    data("two-texts", {"a.jsonl": b'{"title": "a", "body": "b"}\n' * 9}, "ambiguous_column", "title, body"),
    data("no-such-split", {"a.jsonl": GOOD}, "bad_split", "", "--split tset"),
    data("split-twice", {"a.jsonl": GOOD}, "bad_split", "selects 4 rows of train twice", "--split train[:6]+train[2:]"),
    data("split-of-nothing", {"a.jsonl": GOOD}, "bad_split", "selects no rows", "--split train[50:60]"),
    data("hub-options", {"a.jsonl": GOOD}, "usage", "only to a dataset on the Hub", "--dataset-config en"),
    data("nothing-known", {"a.txt": "\u4eca\u5929 \u5f88\u597d\n".encode() * 60}, "nothing_to_mask", "[UNK]", "--model wordpiece"),
    Wrong("data-of-the-corpus", "prepare --dataset python:nothing", "missing_file", "embedded corpus"),
    Wrong("data-gone", "prepare --dataset eli5", "gone_dataset", "parquet copy"),
]  # fmt: skip
