"""The sample in the schema of the guide's dataset, as files of every kind."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from pathlib import Path

import pyarrow
import pyarrow.parquet

SAMPLE = Path(__file__).parent / "data" / "eli5_sample.jsonl"
ANSWERS = "answers.text"


def sample_rows() -> list[dict]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


def answers_of(row: dict) -> str:
    """The document of a row."""
    return " ".join(row["answers"]["text"])


def compressed(path: Path, ending: str) -> Path:
    """Write a compressed copy of a file, and return its path."""
    opener = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[ending]
    copy = Path(f"{path}{ending}")
    with opener(copy, "wb") as file:
        file.write(path.read_bytes())
    return copy


def as_table(path, rows, separator=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["q_id", ANSWERS])
        writer.writerows([row["q_id"], answers_of(row)] for row in rows)


def as_array(path, rows):
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def as_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def as_parquet(path, rows):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def as_arrow(path, rows):
    table = pyarrow.Table.from_pylist(rows)
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    ".jsonl": as_lines,
    ".json": as_array,
    ".csv": as_table,
    ".tsv": lambda path, rows: as_table(path, rows, "\t"),
    ".parquet": as_parquet,
    ".arrow": as_arrow,
}


def as_text(path, rows):
    path.write_text("\n".join(answers_of(row).replace("\n", " ") for row in rows), encoding="utf-8")
