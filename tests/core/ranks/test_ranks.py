"""Sums over ranks, and what they do together; here ranks are threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_core.batches.plan import PADDING_KEY
from mlm_core.batches.verifier import batch_digest, digest_of_shares, packed
from mlm_core.errors import RequestError, RunError
from mlm_core.metrics.sums import MaskedSums
from mlm_core.ranks.errors import ranks_differ
from mlm_core.ranks.launch import Launched
from mlm_core.ranks.ranks import Ranks, rows_of


def together(count, work):
    """What `work(ranks)` returns in each of so many ranks, or raises."""
    barrier, places = threading.Barrier(count), [b""] * count

    def run(rank):
        def gather(content, *, soon=False):
            places[rank] = content
            barrier.wait(10)
            gathered = list(places)
            barrier.wait(10)
            return gathered

        try:
            return work(Ranks(Launched(rank, count), gather))
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@given(st.integers(1, 40), st.integers(0, 300))
def test_the_shares_of_a_batch_are_the_batch_and_even(count, size):
    rows = np.arange(size)
    shares = [rows[rows_of(place, count, size)] for place in range(count)]
    assert np.concatenate(shares).tolist() == rows.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_sums_are_over_all_ranks_and_the_same_in_each():
    found = together(3, lambda ranks: MaskedSums(0.1 * (ranks.rank + 1), ranks.rank, 5).over(ranks))
    assert found == [MaskedSums(0.1 + 0.2 + 0.1 * 3, 3, 15)] * 3


def test_one_rank_is_alone():
    ranks = Ranks()
    assert ranks.first and ranks.gather([1]) == [[1]] and ranks.in_turn(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError), ranks.together():
        raise ZeroDivisionError


def test_if_one_rank_fails_all_fail_and_the_first_of_them_speaks():
    def work(ranks):
        with ranks.together():
            if ranks.rank in (1, 2):
                raise RequestError("no such file", code="missing_file")
        return "went on"

    first, second, third = together(3, work)
    assert isinstance(second, RequestError)
    assert second.said_by is None
    for other in (first, third):
        assert isinstance(other, RequestError)
        assert (other.said_by, str(other), other.code) == (1, "no such file", "missing_file")


@pytest.mark.parametrize(("error", "code"), [(RunError("x", code="x"), 1), (ValueError("odd"), 1)])
def test_the_others_end_with_the_exit_code_of_the_one_that_failed(error, code):
    def work(ranks):
        with ranks.together():
            if ranks.first:
                raise error

    assert together(2, work)[1].exit_code == code


def test_the_first_rank_works_before_the_others():
    done = []
    assert together(3, lambda ranks: ranks.in_turn(lambda: done.append(ranks.rank))) == [None] * 3
    assert done[0] == 0 and sorted(done) == [0, 1, 2]


def test_a_difference_is_named_by_one_rank():
    def work(ranks):
        ranks.check_same([("--seed", 1), ("--epochs", ranks.rank // 2)], ranks_differ)

    first, *others = together(3, work)
    assert (first.code, first.option) == ("ranks_differ", "--epochs")
    assert "rank 2" in str(first)
    assert [(other.code, other.said_by) for other in others] == [("ranks_differ", 0)] * 2


@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 11), st.integers(0, 2**32 - 1))
def test_the_digest_of_a_batch_does_not_depend_on_its_shares(count, micro_batches, rows, seed):
    draw = np.random.default_rng(seed)

    def batch():
        keys = np.where(draw.random(rows) < 0.2, PADDING_KEY, np.arange(rows))
        return {
            "input_ids": draw.integers(0, 90, (rows, 8)),
            "masked_positions": np.stack([draw.permutation(8)[:3] for _ in range(rows)]),
            "labels": draw.integers(0, 90, (rows, 3)),
            "block_key": keys,
        }

    batches = [batch() for _ in range(micro_batches)]

    def share(place):
        own = rows_of(place, count, rows)
        return packed([[{name: array[own] for name, array in one.items()}] for one in batches])

    assert digest_of_shares([share(place) for place in range(count)]) == batch_digest(batches)
