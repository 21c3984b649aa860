import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlm_core.compare.hf_recipe import group_texts
from mlm_core.data.grouping import group_into_blocks
from mlm_core.data.store import build_store, open_store

PIECES = st.lists(st.lists(st.integers(0, 60_000), max_size=30), max_size=30)
PAD = 70_000


def arrays(pieces):
    return [np.array(piece, dtype=np.int32) for piece in pieces]


def grouped(pieces, block_size, padding_id=None):
    blocks = group_into_blocks(iter(arrays(pieces)), block_size, padding_id)
    return [row.tolist() for rows in blocks for row in rows]


@settings(max_examples=150, deadline=None)
@given(pieces=PIECES, block_size=st.integers(1, 40))
def test_equals_the_guides_algorithm(pieces, block_size):
    assert grouped(pieces, block_size) == group_texts({"input_ids": pieces}, block_size)["input_ids"]


@settings(max_examples=100, deadline=None)
@given(pieces=PIECES, block_size=st.integers(1, 40))
def test_a_padded_last_block_loses_no_token(pieces, block_size):
    rows = grouped(pieces, block_size, PAD)
    joined = sum(pieces, [])  # noqa: RUF017
    flat = sum(rows, [])  # noqa: RUF017
    assert all(len(row) == block_size for row in rows)
    assert flat[: len(joined)] == joined
    assert set(flat[len(joined) :]) <= {PAD} and len(flat) - len(joined) < block_size


@settings(max_examples=50, deadline=None)
@given(pieces=PIECES, block_size=st.integers(1, 40), padding_id=st.sampled_from([None, PAD]))
def test_store_keeps_the_blocks(tmp_path_factory, pieces, block_size, padding_id):
    directory = tmp_path_factory.mktemp("store") / "blocks"
    store = build_store(directory, iter(arrays(pieces)), block_size, documents=7, padding_id=padding_id)
    assert store.blocks.tolist() == grouped(pieces, block_size, padding_id)
    facts = store.facts
    assert (facts.documents, facts.tokens) == (7, sum(map(len, pieces)))
    assert facts.tokens + facts.padding - facts.dropped_tokens == facts.blocks * block_size
    assert 0 <= facts.dropped_tokens < block_size and 0 <= facts.padding < block_size
    assert facts.dropped_tokens == 0 or padding_id is None
    assert facts.padding == 0 or padding_id is not None


def build(directory):
    return build_store(directory, arrays([[1, 2, 3, 4]]), 2, documents=1)


def test_a_store_cut_short_is_built_again(tmp_path):
    directory = tmp_path / "blocks"
    build(directory)
    for damage in (b"short", bytes(16)):
        (directory / "blocks.bin").write_bytes(damage)
        assert open_store(directory) is None
        assert build(directory).blocks.tolist() == [[1, 2], [3, 4]]
        assert [path.name for path in tmp_path.iterdir()] == ["blocks"]


def test_a_file_in_the_place_of_a_store_is_replaced(tmp_path):
    (tmp_path / "blocks").write_text("no directory", encoding="utf-8")
    assert build(tmp_path / "blocks").blocks.tolist() == [[1, 2], [3, 4]]


def test_what_a_killed_build_left_behind_is_removed_after_a_day(tmp_path):
    for name, age in ((".old-x", 2 * 86_400), (".new-x", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    build(tmp_path / "blocks")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new-x", "blocks"]


def test_a_failed_build_leaves_nothing(tmp_path):
    def failing():
        yield np.array([1, 2, 3], dtype=np.int32)
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError):
        build_store(tmp_path / "blocks", failing(), 2, documents=1)
    assert list(tmp_path.iterdir()) == []
