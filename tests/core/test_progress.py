"""Progress lines and bars."""

import sys
import time

import pytest

from mlm_core import progress
from mlm_core.progress import Progress


def made(quiet=False):
    return Progress(quiet=quiet, verbose=False, logging_steps=1)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)


def test_what_is_quickly_done_says_nothing(capsys):
    shown = made()
    assert list(shown.track([1, 2, 3], "counting", 3)) == [1, 2, 3]
    with shown.phase("thinking"):
        pass
    shown.aside("only for someone who watches")
    assert capsys.readouterr().err == ""


def test_what_takes_long_says_how_far_it_is(capsys, impatient):
    assert list(made().track(iter("ab"), "counting", 2)) == ["a", "b"]
    assert capsys.readouterr().err == "counting: 1/2\ncounting: 2/2\n"
    with made().phase("thinking"):
        time.sleep(0.2)
    assert capsys.readouterr().err == "thinking ...\n"


def test_quiet_is_quiet(capsys, impatient):
    assert list(made(quiet=True).track([1], "counting", 1)) == [1]
    with made(quiet=True).phase("thinking"):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_bars_on_a_terminal_are_lines_of_one_display_and_go_away(capsys, impatient, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = made()
    shown.start(2)
    bar = shown.running_bar
    for number in range(3):
        shown.evaluated_batch(3)
        assert len(bar.tasks) == (2 if number < 2 else 1)
    shown.stop()
    assert shown.running_bar is None
    assert "evaluating" in capsys.readouterr().err
    with shown.phase("thinking"):
        time.sleep(0.2)
    assert "thinking" in capsys.readouterr().err
    assert list(shown.track([1, 2], "counting", 2)) == [1, 2]


def test_an_error_inside_passes_through(impatient):
    with pytest.raises(KeyError), made().phase("thinking"):
        raise KeyError
    with pytest.raises(ZeroDivisionError):
        list(made().track((1 // number for number in (1, 0)), "counting", 2))


def test_a_short_last_batch_is_not_taken_for_the_speed(capsys):
    shown = made()
    shown.start(3)
    for step, speed in enumerate((1000.0, 1010.0, 30.0), 1):
        shown.step({"step": step, "loss": 2.0, "tokens_per_second": speed})
    assert "step 3/3  loss 2  1,000 tokens/s" in capsys.readouterr().err


def test_the_time_left_is_by_the_steps_since_the_first_of_this_process(capsys, monkeypatch):
    """Neither the evaluation before them, nor the steps before a resume, count."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])
    shown = made()
    shown.start(100)
    clock[0] = 500.0
    for step in (51, 52, 53, 100):
        shown.step({"step": step, "loss": 1.0, "tokens_per_second": 10.0})
        clock[0] += 2.0
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition("  ")[2] for line in lines] == [
        "10 tokens/s",
        "96 s left",
        "94 s left",
        "0 s left",
    ]
