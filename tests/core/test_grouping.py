import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlm_core.grouping import group_into_blocks
from mlm_core.store import build_store, open_store
from mlm_core.tokenization import tokenize, train_tokenizer

DOCUMENTS = st.lists(st.lists(st.integers(0, 60_000), max_size=30), max_size=30)


def guide_group_texts(examples, block_size):
    """The guide's algorithm: concatenate, drop the remainder, cut."""
    concatenated = sum(examples, [])  # noqa: RUF017 - as the guide has it
    total = len(concatenated) // block_size * block_size
    return [concatenated[i : i + block_size] for i in range(0, total, block_size)]


def grouped(documents, block_size):
    return [row.tolist() for rows in group_into_blocks(documents, block_size) for row in rows]


@settings(max_examples=150, deadline=None)
@given(documents=DOCUMENTS, block_size=st.integers(1, 40))
def test_equals_the_guides_algorithm(documents, block_size):
    assert grouped(documents, block_size) == guide_group_texts(documents, block_size)


@settings(max_examples=50, deadline=None)
@given(documents=DOCUMENTS, block_size=st.integers(1, 40))
def test_store_keeps_the_blocks(tmp_path_factory, documents, block_size):
    directory = tmp_path_factory.mktemp("store") / "blocks"
    store = build_store(directory, iter(documents), block_size)
    assert store.blocks.tolist() == grouped(documents, block_size)
    assert store.facts.documents == len(documents)
    assert store.facts.tokens == sum(map(len, documents))
    assert 0 <= store.facts.dropped_tokens < block_size


def test_a_store_cut_short_is_built_again(tmp_path):
    directory = tmp_path / "blocks"
    build_store(directory, [[1, 2, 3, 4]], 2)
    (directory / "blocks.bin").write_bytes(b"short")
    assert open_store(directory) is None
    assert build_store(directory, [[1, 2, 3, 4]], 2).blocks.tolist() == [[1, 2], [3, 4]]
    assert [path.name for path in tmp_path.iterdir()] == ["blocks"]


def test_a_failed_build_leaves_nothing(tmp_path):
    def failing():
        yield [1, 2, 3]
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError):
        build_store(tmp_path / "blocks", failing(), 2)
    assert list(tmp_path.iterdir()) == []


def test_tokens_do_not_depend_on_the_batch(monkeypatch):
    from tiny_models import sentences

    import mlm_core.tokenization

    documents = sentences(50)
    tokenizer = train_tokenizer(documents, 300, 64)
    whole = list(tokenize(tokenizer, documents))
    monkeypatch.setattr(mlm_core.tokenization, "_BATCH", 7)
    assert list(tokenize(tokenizer, documents)) == whole
    assert whole[0][0] == tokenizer.bos_token_id
    assert whole[0][-1] == tokenizer.eos_token_id
    assert np.array_equal(whole[3], tokenizer(documents[3])["input_ids"])
