"""The estimate behind tokens/s and the time left."""

import pytest

from mlm_core.batches.plan import BatchPlan
from mlm_core.training.pace import Pace


def plan(steps=100, blocks=40, batch_size=2):
    return BatchPlan(blocks=blocks, batch_size=batch_size, seed=0, steps=steps)


def paced(seconds, *, steps=100, tokens=64, first=1):
    pace = Pace(plan(steps))
    for step, each in enumerate(seconds, first):
        pace.step(step, tokens, each)
    return pace


def test_both_are_unknown_until_a_second_step():
    pace = paced([9.0])
    assert (pace.tokens_per_second, pace.seconds_left) == (None, None)
    assert pace.mean_tokens_per_second == 64 / 9


@pytest.mark.parametrize("slow", [1.0, 30.0, 600.0])
def test_a_slow_first_step_counts_for_neither(slow):
    pace = paced([slow, 2.0, 2.0, 2.0])
    assert (pace.tokens_per_second, pace.seconds_left) == (32.0, 96 * 2.0)
    assert pace.seconds == slow + 6.0
    assert pace.mean_tokens_per_second == pytest.approx(32.0 if slow > 4 else 4 * 64 / 7)


def test_several_slow_steps_at_the_beginning_are_left_out_too():
    pace = paced([60.0, 20.0, *[2.0] * 30])
    assert (pace.tokens_per_second, pace.mean_tokens_per_second) == (32.0, 32.0)


def test_speed_and_time_left_agree_at_every_step():
    pace = Pace(plan())
    for step, seconds in enumerate([40.0, 3.0, 2.0, 2.5, 9.0, *[2.0, 3.0] * 40], 1):
        pace.step(step, 64, seconds)
        if step > 1:
            rest = (100 - step) * 64
            assert pace.tokens_per_second * pace.seconds_left == pytest.approx(rest)


def test_a_short_last_batch_is_not_taken_for_the_speed():
    pace = Pace(plan())
    for step, tokens in enumerate((64, 64, 64, 2), 1):
        pace.step(step, tokens, 2.0)
    assert pace.tokens_per_second == 32.0


def test_evaluations_ahead_take_as_long_as_the_last_one():
    pace = Pace(plan(steps=50))
    pace.evaluation(500.0)
    for step in range(1, 21):
        pace.step(step, 64, 2.0)
    # The first one may have compiled.
    assert pace.seconds_left == 60.0
    pace.evaluation(7.0)
    # 20 steps are an epoch: the end of the next epoch and the end of the run are ahead.
    pace.step(21, 64, 2.0)
    assert pace.seconds_left == 58.0 + 2 * 7.0
    for step in range(22, 51):
        pace.step(step, 64, 2.0)
    assert pace.seconds_left == 7.0


def test_a_resumed_run_counts_its_own_steps():
    pace = paced([30.0, 2.0, 2.0], first=51)
    assert pace.seconds_left == 47 * 2.0
    assert pace.facts == {"new_steps": 3, "training_seconds": 34.0, "tokens_per_second": 32.0}


def test_a_run_of_one_step_and_of_none():
    assert paced([4.0], steps=1).tokens_per_second == 16.0
    assert paced([4.0], steps=1).seconds_left == 0.0
    assert Pace(plan()).facts == {"new_steps": 0, "training_seconds": 0.0, "tokens_per_second": None}
