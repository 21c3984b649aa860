import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlm_core.batches.batch import BatchAssembler
from mlm_core.batches.masking import IGNORED, MaskingRule
from mlm_core.batches.plan import PADDING_KEY, BatchPlan, block_of, evaluation_keys
from mlm_core.batches.randomness import Stream
from mlm_core.batches.verifier import BatchVerifier, batch_digest

SIZES = {"blocks": st.integers(1, 60), "batch_size": st.integers(1, 17), "seed": st.integers(0, 2**32 - 1)}


@settings(max_examples=60, deadline=None)
@given(**SIZES, epochs=st.integers(1, 4))
def test_every_epoch_has_every_block_once(blocks, batch_size, seed, epochs):
    per_epoch = BatchPlan(blocks, batch_size, seed, 1).steps_per_epoch
    plan = BatchPlan(blocks, batch_size, seed, epochs * per_epoch)
    keys = plan.all_keys().reshape(epochs, -1)
    for epoch in range(epochs):
        real = keys[epoch][keys[epoch] != PADDING_KEY]
        assert sorted(block_of(real)) == list(range(blocks))
        assert set(real >> 32) == {epoch}
        # Padding is at the very end of the epoch.
        assert (keys[epoch][blocks:] == PADDING_KEY).all()


@settings(max_examples=60, deadline=None)
@given(**SIZES, step=st.integers(0, 200))
def test_a_step_is_a_pure_function_of_its_number(blocks, batch_size, seed, step):
    keys = BatchPlan(blocks, batch_size, seed, step + 1).keys(step)
    resumed = BatchPlan(blocks, batch_size, seed, step + 9)
    assert (keys == resumed.keys(step)).all()
    assert (keys == resumed.all_keys(first_step=step)[0]).all()


@settings(max_examples=60, deadline=None)
@given(blocks=st.integers(1, 100), batch_size=st.integers(1, 17))
def test_an_evaluation_has_every_block_once_in_order(blocks, batch_size):
    keys = evaluation_keys(blocks, batch_size)
    assert keys.shape[1] == batch_size
    flat = keys.ravel()
    assert (flat[:blocks] == np.arange(blocks)).all()
    assert (flat[blocks:] == PADDING_KEY).all()
    assert len(flat) - blocks < batch_size


def test_epochs_and_seeds_give_other_orders():
    plan = BatchPlan(500, 500, 1, 2)
    first, second = plan.keys(0), plan.keys(1)
    other = BatchPlan(500, 500, 2, 1).keys(0)
    assert (block_of(first) != block_of(second)).mean() > 0.9
    assert (first != other).mean() > 0.9


@pytest.fixture
def assemble():
    blocks = np.random.RandomState(0).randint(5, 90, size=(20, 24)).astype(np.int32)
    maskable = np.ones(100, dtype=bool)
    maskable[:5] = False
    rule = MaskingRule(0.15, True, 0.8, 0.1, 4, maskable, np.arange(5, 100))
    return BatchAssembler(blocks, rule, seed=11, stream=Stream.TRAINING_MASK)


def test_batches_do_not_depend_on_how_they_are_cut(assemble):
    keys = BatchPlan(20, 8, 3, 3).all_keys().ravel()
    whole = assemble(keys)
    for size in (1, 2, 4, 8):
        for start in range(0, len(keys), size):
            part = assemble(keys[start : start + size])
            real = keys[start : start + size] != PADDING_KEY
            for name in ("masked_positions", "labels"):
                assert (part[name] == whole[name][start : start + size]).all()
            assert (part["input_ids"][real] == whole["input_ids"][start : start + size][real]).all()


def test_padding_rows_have_no_labels(assemble):
    batch = assemble(np.array([3, PADDING_KEY, 4, PADDING_KEY]))
    assert (batch["labels"][[1, 3]] == IGNORED).all()
    assert (batch["labels"][[0, 2]] != IGNORED).any(axis=1).all()
    assert (assemble(np.array([PADDING_KEY]))["labels"] == IGNORED).all()


def test_masks_of_epochs_and_of_evaluation_differ(assemble):
    first = assemble(np.arange(20))["input_ids"]
    second = assemble(np.arange(20) + (1 << 32))["input_ids"]
    evaluation = BatchAssembler(assemble.blocks, assemble.rule, 11, Stream.EVALUATION_MASK)(np.arange(20))
    assert (first != second).any(axis=1).all()
    assert (first != evaluation["input_ids"]).any(axis=1).all()


def test_the_digest_follows_its_format(assemble):
    keys = BatchPlan(20, 8, 3, 3).keys(2)  # 4 real rows, 4 padding rows
    batch = assemble(keys)
    content = batch["input_ids"][:4].astype("<i4").tobytes()
    for row in range(4):
        labels = np.full(24, -100, dtype="<i4")
        for position, label in zip(batch["masked_positions"][row], batch["labels"][row], strict=True):
            if label != -100:
                labels[position] = label
        content += labels.tobytes()
    expected = hashlib.blake2b(content, digest_size=16).hexdigest()
    assert batch_digest([batch]) == expected
    verifier = BatchVerifier()
    for part in (slice(0, 2), slice(2, 8)):
        verifier.receive(
            *(batch[name][part] for name in ("input_ids", "masked_positions", "labels", "block_key"))
        )
    assert verifier.digest() == expected
    assert verifier.digest() is None
