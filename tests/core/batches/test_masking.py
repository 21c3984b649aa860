import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlm_core.batches.masking import IGNORED, MaskingRule, full_width_labels, mask_tokens
from mlm_core.batches.randomness import Stream, raw_rows

VOCABULARY, MASK = 50, 4


def rule(probability=0.15, exact=True, replace=0.8, random=0.1):
    maskable = np.ones(VOCABULARY, dtype=bool)
    maskable[:5] = False
    words = np.arange(5, 40)  # no token has the rows 40 to 49 of the embedding
    return MaskingRule(probability, exact, replace, random, MASK, maskable, words)


def mask(ids, made, seed=0):
    draws = raw_rows(seed, Stream.TRAINING_MASK, np.arange(len(ids)), made.draws_per_row(ids.shape[1]))
    return mask_tokens(ids, draws, made)


def text(rows, length, seed=0):
    return np.random.RandomState(seed).randint(5, 40, size=(rows, length))


@pytest.mark.parametrize("exact", [True, False])
def test_nothing_is_masked_at_rate_0(exact):
    ids = text(8, 32)
    rows = mask(ids, rule(0.0, exact))
    assert (rows.labels == IGNORED).all()
    assert (rows.input_ids == ids).all()


@pytest.mark.parametrize("exact", [True, False])
def test_everything_maskable_is_masked_at_rate_1(exact):
    ids = text(8, 32)
    ids[:, [0, 31]] = 0, 2
    rows = mask(ids, rule(1.0, exact, replace=1.0, random=0.0))
    wide = full_width_labels(rows.masked_positions, rows.labels, 32)
    assert (wide[:, 1:31] == ids[:, 1:31]).all()
    assert (rows.input_ids[:, 1:31] == MASK).all()
    assert (wide[:, [0, 31]] == IGNORED).all()
    assert (rows.input_ids[:, [0, 31]] == [0, 2]).all()


@pytest.mark.parametrize("exact", [True, False])
def test_rates_over_100_000_tokens(exact):
    ids = text(1000, 128)
    rows = mask(ids, rule(exact=exact), seed=7)
    wide = full_width_labels(rows.masked_positions, rows.labels, 128)
    masked = wide != IGNORED
    # Four standard deviations of a binomial share of 128,000, and of the 19,200 masked ones.
    assert abs(masked.mean() - 0.15) < 4 * (0.15 * 0.85 / masked.size) ** 0.5
    became = rows.input_ids[masked]
    tolerance = 4 * (0.8 * 0.2 / masked.sum()) ** 0.5
    assert abs((became == MASK).mean() - 0.8) < tolerance
    random = (became != MASK) & (became != ids[masked])
    # A random word equals the original word in 1 of 35 cases.
    assert abs(random.mean() - 0.1 * 34 / 35) < tolerance
    assert set(became[random]) == set(range(5, 40))


def test_positions_are_masked_evenly():
    ids = text(20_000, 16)
    rows = mask(ids, rule(0.25), seed=3)
    counts = (full_width_labels(rows.masked_positions, rows.labels, 16) != IGNORED).sum(axis=0)
    assert abs(counts / 20_000 - 0.25).max() < 4 * (0.25 * 0.75 / 20_000) ** 0.5


def test_exact_counts_are_floor_or_ceiling_and_average_the_rate():
    ids = text(5000, 30)
    ids[:, :3] = 0
    rows = mask(ids, rule(0.15), seed=1)
    counts = (rows.labels != IGNORED).sum(axis=1)
    assert set(counts) == {4, 5}  # 0.15 * 27 = 4.05
    assert abs(counts.mean() - 4.05) < 4 * (0.05 * 0.95 / 5000) ** 0.5


@settings(max_examples=100, deadline=None)
@given(
    probability=st.floats(0.0, 1.0),
    exact=st.booleans(),
    replace=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40)),
    protected=st.floats(0.0, 1.0),
)
def test_properties(probability, exact, replace, seed, shape, protected):
    draw = np.random.RandomState(seed % 1000)
    ids = np.where(draw.rand(*shape) < protected, draw.randint(0, 5, shape), draw.randint(5, 40, shape))
    made = rule(probability, exact, replace, 1.0 - replace)
    rows = mask(ids, made, seed)
    used = rows.labels != IGNORED
    assert rows.labels.shape == rows.masked_positions.shape == (shape[0], made.slots(shape[1]))
    assert (rows.masked_positions[~used] == 0).all()
    for row in range(shape[0]):
        positions = rows.masked_positions[row][used[row]]
        assert (np.diff(positions) > 0).all()
        assert (ids[row][positions] == rows.labels[row][used[row]]).all()
        assert (ids[row][positions] >= 5).all()
        elsewhere = np.setdiff1d(np.arange(shape[1]), positions)
        assert (rows.input_ids[row][elsewhere] == ids[row][elsewhere]).all()
    if exact:
        expected = probability * (ids >= 5).sum(axis=1)
        assert (abs(used.sum(axis=1) - expected) <= 1.0 + 1e-9).all()


def test_a_row_does_not_depend_on_its_neighbours():
    ids = text(6, 32)
    keys = np.arange(6)
    made = rule()
    draws = raw_rows(5, Stream.TRAINING_MASK, keys, made.draws_per_row(32))
    together = mask_tokens(ids, draws, made)
    for row in range(6):
        alone = mask_tokens(ids[row : row + 1], draws[row : row + 1], made)
        assert (alone.input_ids[0] == together.input_ids[row]).all()
        assert (alone.labels[0] == together.labels[row]).all()
