"""Blocks are read from the file that was verified, or not at all."""

import os
import time

import numpy as np
import pytest

from mlm_core import RunError
from mlm_core.data.block_file import BlockFile
from mlm_core.data.store import build_store, open_store

BLOCKS = np.arange(40, dtype="<i4").reshape(10, 4)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "blocks.bin"
    path.write_bytes(BLOCKS.tobytes())
    return path


@pytest.fixture
def blocks(path):
    found = BlockFile(path, 10, 4)
    found.digest()
    return found


@pytest.mark.parametrize(
    "index", [0, 9, np.array([3, 3, 0]), slice(2, 5), slice(None), np.array([], dtype=int)]
)
def test_it_is_indexed_like_an_array(blocks, index):
    np.testing.assert_array_equal(blocks[index], BLOCKS[index])
    assert blocks.shape == (10, 4) and len(blocks) == 10 and np.array_equal(np.asarray(blocks), BLOCKS)


@pytest.mark.parametrize("index", [10, -1, np.array([0, 99])])
def test_there_are_no_other_blocks(blocks, index):
    with pytest.raises(IndexError):
        blocks[index]


@pytest.mark.parametrize("change", ["cut", "emptied", "altered", "grown"])
def test_a_file_that_changes_is_noticed(path, blocks, change):
    content = path.read_bytes()
    new = {"cut": content[:30], "emptied": b"", "altered": content[:-1] + b"x", "grown": content + b"more"}[
        change
    ]
    time.sleep(0.01)
    with path.open("r+b") as file:
        file.write(new)
        file.truncate()
    with pytest.raises(RunError, match="the prepared text") as raised:
        blocks[np.array([0, 9])]
    assert blocks.failure is raised.value and raised.value.code == "changed_store"


def test_another_date_is_no_change(path, blocks):
    os.utime(path, (1, 1))
    np.testing.assert_array_equal(blocks[:], BLOCKS)


def test_a_file_that_is_replaced_or_removed_is_read_on(path, blocks):
    path.rename(path.with_name("old"))
    path.write_bytes(bytes(160))
    np.testing.assert_array_equal(blocks[:], BLOCKS)


def test_stores_have_the_modes_of_the_umask(tmp_path):
    before = os.umask(0o002)
    try:
        build_store(tmp_path / "store", [BLOCKS.reshape(-1)], 4, documents=1)
    finally:
        os.umask(before)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o775
    assert open_store(tmp_path / "store") is not None
