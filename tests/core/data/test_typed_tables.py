"""Parquet and Arrow files: only the column with the text counts, whatever else differs from file to file."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loading import load, texts

from mlm_core import RequestError


def _parquet(path, table):
    pq.write_table(table, path)


def _stream(path, table):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def _file(path, table):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


@pytest.fixture(params=[("parquet", _parquet), ("arrow", _stream), ("arrow", _file)])
def shards(request, tmp_path):
    """Writes each table to a file of its own in one directory."""
    suffix, write = request.param

    def written(*tables):
        for number, table in enumerate(tables):
            write(tmp_path / f"{number}.{suffix}", table if isinstance(table, pa.Table) else pa.table(table))
        return tmp_path

    return written


STRINGS = pa.array(["one", "two"])
OTHERS = {
    "nothing": pa.nulls(2),
    "other type": pa.array([1, 2]),
    "string": pa.array(["x", "y"]),
    "struct": pa.array([{"a": 1}, {"a": 2}]),
    "category": pa.array(["x", "y"]).dictionary_encode(),
    "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    "duration": pa.array([1, 2], pa.duration("s")),
}


@pytest.mark.parametrize("first", OTHERS)
@pytest.mark.parametrize("name", ["text", "body"])
def test_other_columns_do_not_matter(shards, first, name):
    """A column that nobody asked for may have another type, be nothing, or be missing in the next file."""
    place = shards({"more": OTHERS["other type"], name: STRINGS}, {name: STRINGS, "more": OTHERS[first]}, {
        name: STRINGS
    })  # fmt: skip
    if name == "body" and first in ("string", "category"):
        with pytest.raises(RequestError, match="choose with --text-column"):
            load(place)
        assert texts(place, text_column="body") == ["one", "two"] * 3
        return
    assert texts(place) == ["one", "two"] * 3


@pytest.mark.parametrize(
    "other",
    [
        {"text": pa.nulls(3)},
        {"id": pa.array([1, 2, 3])},
        {"text": pa.array([], pa.string())},
        {"text": pa.array([], pa.null()), "id": pa.array([], pa.int64())},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_file_without_text_adds_no_document(shards, other, first):
    with_text = {"text": STRINGS, "id": pa.array([7, 8])}
    assert texts(shards(*((other, with_text) if first else (with_text, other)))) == ["one", "two"]


@pytest.mark.parametrize(
    "array", [STRINGS.cast(pa.large_string()), STRINGS.dictionary_encode(), pa.chunked_array([STRINGS])]
)
@pytest.mark.parametrize("first", [True, False])
def test_strings_of_any_width_are_text(shards, array, first):
    tables = [{"text": array}, {"text": STRINGS}]
    assert texts(shards(*(tables if first else reversed(tables)))) == ["one", "two"] * 2


def test_nested_text_in_files_that_differ(shards):
    answers = pa.array([{"text": ["a", "b"], "score": [1]}, {"text": ["c"], "score": []}])
    place = shards(
        {"answers": answers, "n": pa.array([1, 2])}, {"n": pa.array(["x", "y"]), "answers": answers}
    )
    assert texts(place, text_column="answers.text") == ["a b", "c"] * 2
    with pytest.raises(RequestError, match="no such column"):
        load(place, text_column="answers.body")


def test_a_column_that_is_text_in_one_file_only_is_refused(shards):
    place = shards({"text": STRINGS}, {"text": pa.array([{"a": "x"}])})
    with pytest.raises(RequestError, match=r"its column text holds struct.*, but string in 0\.") as caught:
        load(place)
    assert caught.value.code == "mixed_columns" and "1." in caught.value.value


def test_compressed_files(shards):
    place = shards({"text": STRINGS}, {"more": pa.array([1]), "text": pa.array(["three"])})
    for path in list(place.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert texts(place) == ["one", "two", "three"]


def test_a_copy_is_used_again_and_made_again_when_damaged(shards, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MLM_CACHE", str(cache))
    place = shards({"text": STRINGS, "n": pa.array([1, 2])}, {"text": STRINGS, "n": pa.array(["x", "y"])})
    for _ in range(2):
        assert texts(place) == ["one", "two"] * 2
    for path in [
        path for path in cache.rglob("*") if path.is_file() and path.suffix in (".arrow", ".parquet")
    ]:
        path.write_bytes(path.read_bytes()[:50])
    assert texts(place) == ["one", "two"] * 2
