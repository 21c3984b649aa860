"""The scale of the loss in float16."""

from mlm_core.optimization.loss_scale import FIRST, STEPS_TO_GROW, LossScale


def test_it_is_halved_at_once_and_doubled_after_many_steps():
    scale = LossScale()
    scale.step(finite=False)
    assert scale == LossScale(FIRST / 2, 0)
    for _ in range(STEPS_TO_GROW - 1):
        scale.step(finite=True)
    assert scale == LossScale(FIRST / 2, STEPS_TO_GROW - 1)
    assert LossScale.of(scale.state()) == scale
    scale.step(finite=True)
    assert scale == LossScale(FIRST, 0)
