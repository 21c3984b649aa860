import numpy as np
import pytest

from mlm_core.sparse_head import sparse_head_problem

LOGITS = np.random.RandomState(0).standard_normal((2, 3, 7)).astype(np.float32) * 20


def test_rounding_is_no_problem():
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
def test_anything_else_is(sparse, problem):
    assert problem in str(sparse_head_problem(LOGITS, sparse))
