"""The rates of random weights."""

from __future__ import annotations

import pytest

from mlm_core.model.scratch import LEAST_NEW_RATE, SCRATCH_OPTIONS, rates_from_scratch


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"hidden_size": 16}, 1e-3), ({"hidden_size": 256}, 1e-3), ({"hidden_size": 512}, 5e-4),
        ({"dim": 768}, 3.3e-4), ({"d_model": 1024}, 2.5e-4), ({}, 3.3e-4), ({"hidden_size": "x"}, 3.3e-4),
    ],
)  # fmt: skip
def test_the_rate_falls_with_the_width(settings, rate):
    assert rates_from_scratch(settings) == {
        "learning_rate": rate,
        "warmup_steps": SCRATCH_OPTIONS["warmup_steps"],
    }
    assert rate > LEAST_NEW_RATE
