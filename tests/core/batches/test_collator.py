"""The collator by itself: rows of any length to masked batches."""

import numpy as np
import pytest
from tiny_models import sentences, write_tokenizer

from mlm_core import RequestError
from mlm_core.batches.collator import MaskingCollator
from mlm_core.data.train_tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(sentences(200), 320, 64)


@pytest.fixture(scope="module")
def rows(tokenizer):
    return [dict(tokenizer(text)) for text in sentences(40, seed=3)]


def test_rows_are_padded_to_the_longest(tokenizer, rows):
    batch = MaskingCollator(tokenizer)(rows)
    lengths = [len(row["input_ids"]) for row in rows]
    assert len(set(lengths)) > 3
    assert {name: (array.shape, array.dtype) for name, array in batch.items()} == {
        name: ((len(rows), max(lengths)), np.int64) for name in ("input_ids", "attention_mask", "labels")
    }
    assert batch["attention_mask"].sum(axis=1).tolist() == lengths
    padding = batch["attention_mask"] == 0
    assert (batch["input_ids"][padding] == tokenizer.pad_token_id).all()
    assert (batch["labels"][padding] == -100).all()
    wider = MaskingCollator(tokenizer, pad_to_multiple_of=16)(rows)
    assert wider["input_ids"].shape[1] == -(-max(lengths) // 16) * 16


def test_labels_are_the_original_tokens_and_the_rest_is_unchanged(tokenizer, rows):
    batch = MaskingCollator(tokenizer, mlm_probability=0.5)(rows)
    masked = total = 0
    for ids, labels, row in zip(batch["input_ids"], batch["labels"], rows, strict=True):
        original = np.array(row["input_ids"])
        chosen = labels[: len(original)] != -100
        assert (labels[: len(original)][chosen] == original[chosen]).all()
        assert (ids[: len(original)][~chosen] == original[~chosen]).all()
        assert not set(original[chosen]) & set(tokenizer.all_special_ids)
        masked, total = masked + chosen.sum(), total + len(original) - 2
    assert masked / total == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("masking", ["exact", "independent"])
def test_rates_0_and_1(tokenizer, rows, masking):
    none = MaskingCollator(tokenizer, mlm_probability=1e-9, masking="independent")(rows)
    assert (none["labels"] == -100).all()
    every = MaskingCollator(tokenizer, mlm_probability=1.0, masking=masking, mask_replace_prob=1.0,
                            random_replace_prob=0.0)(rows)  # fmt: skip
    special = np.isin(
        every["input_ids"], [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
    )
    assert (every["input_ids"][~special] == tokenizer.mask_token_id).all()
    assert (every["labels"][~special] != -100).all()


def test_a_restarted_loop_sees_the_same_masks_and_the_next_call_others(tokenizer, rows):
    first, again = MaskingCollator(tokenizer), MaskingCollator(tokenizer)
    calls = [first(rows), first(rows)]
    for one in calls:
        other = again(rows)
        assert all((one[name] == other[name]).all() for name in one)
    assert (calls[0]["labels"] != calls[1]["labels"]).any()
    assert (MaskingCollator(tokenizer, seed=7)(rows)["labels"] != calls[0]["labels"]).any()
    # Equal rows in one batch have different masks.
    same = MaskingCollator(tokenizer)([max(rows, key=lambda row: len(row["input_ids"]))] * 20)
    assert len({tuple(labels) for labels in same["labels"]}) > 10


def test_fixed_masks_depend_on_the_row_alone(tokenizer, rows):
    collate = MaskingCollator(tokenizer, fixed=True)
    whole = collate(rows)
    for index in (5, 0, 11):
        alone = collate([rows[index]])
        width = len(rows[index]["input_ids"])
        assert (alone["labels"][0] == whole["labels"][index, :width]).all()
        assert (alone["input_ids"][0] == whole["input_ids"][index, :width]).all()


def test_entries_of_the_rows(tokenizer, rows, tmp_path):
    extra = [row | {"labels": row["input_ids"], "text": "x", "score": 3} for row in rows]
    assert set(MaskingCollator(tokenizer)(extra)) == {"input_ids", "attention_mask", "labels"}
    only_ids = [{"input_ids": row["input_ids"]} for row in rows]
    one, other = MaskingCollator(tokenizer)(only_ids), MaskingCollator(tokenizer)(rows)
    assert all((one[name] == other[name]).all() for name in other)
    write_tokenizer(tmp_path, "bert")
    from transformers import BertTokenizerFast

    bert = BertTokenizerFast.from_pretrained(tmp_path)
    batch = MaskingCollator(bert)([dict(bert("the cat", "sat on")), dict(bert("a dog"))])
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 1], [0] * 7]


def test_tokens_without_attention_are_not_masked(tokenizer):
    row = {"input_ids": [0, 10, 11, 12, 2], "attention_mask": [1, 1, 0, 0, 1]}
    batch = MaskingCollator(tokenizer, mlm_probability=1.0)([row, {"input_ids": [0, 10, 2]}])
    assert batch["labels"].tolist() == [[-100, 10, -100, -100, -100], [-100, 10, -100, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0, 1], [1, 1, 1, 0, 0]]


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_token(rows):
    without = train_tokenizer(sentences(200), 320, 64)
    without.pad_token = None
    batch = MaskingCollator(without)(rows)
    padding = batch["attention_mask"] == 0
    assert padding.any() and (batch["input_ids"][padding] == without.eos_token_id).all()
    # The tokenizer itself is not changed.
    assert without.pad_token is None


def test_errors(tokenizer, rows):
    with pytest.raises(RequestError, match="at least one row"):
        MaskingCollator(tokenizer)([])
    with pytest.raises(RequestError, match="no input_ids, only text"):
        MaskingCollator(tokenizer)([{"text": "the cat"}])
    with pytest.raises(RequestError, match="no token with the id 320"):
        MaskingCollator(tokenizer)([{"input_ids": [0, 5, 320, 2]}])
    with pytest.raises(RequestError, match="no token with the id -1"):
        MaskingCollator(tokenizer)([{"input_ids": [0, -1, 2]}])
    with pytest.raises(RequestError, match="--mlm-probability"):
        MaskingCollator(tokenizer, mlm_probability=1.5)
    with pytest.raises(RequestError, match="pad_to_multiple_of"):
        MaskingCollator(tokenizer, pad_to_multiple_of=0)
    without = train_tokenizer(sentences(20), 320, 64)
    without.mask_token = None
    with pytest.raises(RequestError, match="no mask token"):
        MaskingCollator(without)


def test_what_is_no_tokenizer_and_what_is_no_batch_is_refused(tokenizer, rows):
    for wrong in ("run", None, 5):
        with pytest.raises(RequestError, match="must be a transformers tokenizer"):
            MaskingCollator(wrong)
    for wrong in (5, None, iter(rows), ["a"], [rows[0], 5]):
        with pytest.raises(RequestError, match="must be a list of"):
            MaskingCollator(tokenizer)(wrong)
