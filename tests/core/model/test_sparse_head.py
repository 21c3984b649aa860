import numpy as np
import pytest

from mlm_core.model.sparse_head import MaskedPass, earliest_place, sparse_head_problem

LOGITS = np.random.RandomState(0).standard_normal((2, 3, 7)).astype(np.float32) * 20


def test_rounding_is_not_a_problem():
    assert sparse_head_problem(LOGITS, LOGITS * np.float32(1 + 1e-6)) is None


@pytest.mark.parametrize(
    ("sparse", "problem"),
    [
        (LOGITS[:, :2], "shape"),
        (LOGITS[..., 0], "shape"),
        (LOGITS + np.float32(0.01), "differ by 0.01"),
        (LOGITS * np.nan, "differ by nan"),
    ],
)
def test_any_other_difference_is_a_problem(sparse, problem):
    assert problem in str(sparse_head_problem(LOGITS, sparse))


def test_the_earliest_place_that_changes_nothing_is_kept_and_the_others_are_undone():
    gathering = []

    def gather_at(place):
        gathering.append(place)
        return lambda: gathering.remove(place)

    def logits():
        if "fails" in gathering:
            raise RuntimeError("a shape is not what it was")
        return LOGITS + 1 if "mixes" in gathering else LOGITS

    assert earliest_place(["fails", "mixes", "right", "later"], gather_at, logits) == "right"
    assert gathering == ["right"]
    gathering.clear()
    assert earliest_place(["mixes", "fails"], gather_at, logits) is None
    assert gathering == []


def test_positions_are_taken_once_in_a_pass():
    class Pass(MaskedPass):
        def _gather_at(self, place):
            raise NotImplementedError

    masked = Pass()
    masked.positions = "positions"
    assert masked.take() == "positions"
    assert masked.take() is None
