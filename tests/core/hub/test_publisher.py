"""Attempts to publish are repeated as long as that can help."""

import threading

import pytest

from mlm_core.hub.errors import HubError
from mlm_core.hub.publisher import Patience, Publisher, Target
from mlm_core.progress import Progress


class Hurry:
    """An event that is set after so many waits, and how long each of these was to be."""

    def __init__(self, after=None):
        self.waits, self.after = [], after

    def wait(self, seconds):
        self.waits.append(seconds)
        return len(self.waits) == self.after


def publisher(patience=None):
    return Publisher(
        Target("org/name"), None, None, Progress(quiet=True, verbose=False, logging_steps=1), patience
    )


def failing(*errors):
    """Attempts that fail with these errors one after another, and then succeed."""
    left = list(errors)

    def attempt():
        attempt.count += 1
        if left:
            raise left.pop(0)
        return "address"

    attempt.count = 0
    return attempt


def transient(text="not there"):
    return HubError(text, transient=True)


def test_waits_double_up_to_the_longest():
    attempt, hurry = failing(*(transient() for _ in range(5))), Hurry()
    assert publisher()._with_patience(attempt, hurry) == "address"
    assert hurry.waits == [2, 4, 8, 16, 30] and attempt.count == 6


def test_the_last_error_is_the_one_that_counts():
    errors = [transient(str(number)) for number in range(4)]
    attempt, hurry = failing(*errors), Hurry()
    with pytest.raises(HubError) as raised:
        publisher(Patience(attempts=3, wait=0.5, longest=0.7))._with_patience(attempt, hurry)
    assert raised.value is errors[2] and attempt.count == 3 and hurry.waits == [0.5, 0.7]


@pytest.mark.parametrize(
    "error", [HubError("refused"), OSError("full"), KeyboardInterrupt(), SystemExit(143)]
)
def test_what_will_not_pass_is_not_tried_again(error):
    attempt, hurry = failing(transient(), error), Hurry()
    with pytest.raises(type(error)) as raised:
        publisher()._with_patience(attempt, hurry)
    assert raised.value is error and attempt.count == 2 and hurry.waits == [2]


def test_one_attempt_waits_for_nothing():
    attempt, hurry = failing(transient()), Hurry()
    with pytest.raises(HubError):
        publisher(Patience(attempts=1))._with_patience(attempt, hurry)
    assert hurry.waits == []


def test_in_a_hurry_nothing_is_tried_again():
    errors = [transient(str(number)) for number in range(6)]
    attempt, hurry = failing(*errors), Hurry(after=2)
    with pytest.raises(HubError) as raised:
        publisher()._with_patience(attempt, hurry)
    assert raised.value is errors[1] and attempt.count == 2 and hurry.waits == [2, 4]


def test_a_wait_ends_at_once():
    hurry = threading.Event()
    threading.Timer(0.1, hurry.set).start()
    with pytest.raises(HubError):
        publisher(Patience(wait=60, longest=60))._with_patience(failing(transient()), hurry)
