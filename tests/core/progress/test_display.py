"""What is said and shown: on a terminal, and in a log."""

import sys
import time

import pytest
from pseudo_terminal import Screen

from mlm_core.progress import Progress, show_last
from mlm_core.progress.rows import Row
from mlm_core.progress.terminal import terminal_rows


def made(quiet=False, logging_steps=1):
    return Progress(quiet=quiet, verbose=False, logging_steps=logging_steps)


def line(step, loss=2.0):
    return {"step": step, "loss": loss, "masked_tokens": 10}


def test_what_is_quickly_done_says_nothing(capsys):
    shown = made()
    assert list(shown.track([1, 2, 3], "counting", 3)) == [1, 2, 3]
    with shown.phase("thinking"):
        pass
    shown.aside("only for someone who watches")
    shown.stopping("Ctrl-C")
    assert capsys.readouterr().err == ""


def test_a_log_is_told_of_what_takes_long(capsys, impatient):
    assert list(made().track(iter("ab"), "counting", 2)) == ["a", "b"]
    assert capsys.readouterr().err == "counting: 1/2\ncounting: 2/2\n"
    with made().phase("thinking"):
        time.sleep(0.2)
    with made().phase("for someone who watches", logged=False):
        time.sleep(0.1)
    with made().running("another process works", 20) as reached:
        reached(3)
        time.sleep(0.2)
    assert capsys.readouterr().err == "thinking ...\nanother process works ...\n"


def test_quiet_is_quiet(terminal, impatient):
    screen = terminal()
    shown = made(quiet=True)
    assert list(shown.track([1], "counting", 1)) == [1]
    with shown.phase("thinking", at_once=True):
        time.sleep(0.1)
    shown.start(2)
    shown.step(line(2), 10.0, 0.0)
    shown.stop()
    assert screen.getvalue() == ""
    shown.warn("mind this")
    assert screen.getvalue() == "mlm: mind this\n"


def drawn(screen):
    """What was drawn since the last look, without the characters that control a terminal."""
    text = screen.getvalue()
    screen.seek(0)
    screen.truncate()
    return text.replace("\r", "").replace("\x1b[2K", "").replace("\x1b[1A", "")


def test_rows_of_a_terminal_belong_to_one_display_and_go_away(terminal, impatient):
    screen = terminal()
    shown = made()
    shown.start(2)
    assert "training" in drawn(screen)
    shown.begin_evaluation(3)
    time.sleep(0.3)
    shown.evaluated_batch()
    time.sleep(0.2)
    assert "evaluating" in (text := drawn(screen)) and "1/3" in text and "training" in text
    shown.end_evaluation()
    shown.step(line(1, 2.5), 1234.0, 65.0)
    time.sleep(0.2)
    text = drawn(screen)
    assert "1/2" in text and "loss 2.5" in text and "1,234 tokens/s" in text and "1:05 left" in text
    assert "evaluating" not in text.splitlines()[-1]
    shown.stop()
    assert terminal_rows()._rows == [] and terminal_rows()._live is None
    assert sys.stderr is screen
    # Its last state stays, on a line of its own.
    assert "1/2" in drawn(screen).rstrip("\n").splitlines()[-1]


def test_the_innermost_phase_is_shown(terminal, impatient):
    screen = terminal()
    shown = made()
    with shown.phase("outside"):
        time.sleep(0.25)
        assert "outside" in drawn(screen)
        with shown.phase("inside"):
            time.sleep(0.25)
            assert drawn(screen).rstrip().endswith("inside")
        time.sleep(0.25)
        assert drawn(screen).rstrip().endswith("outside")
    assert list(shown.track([1, 2], "counting", 2)) == [1, 2]
    assert terminal_rows()._rows == []


def test_what_cannot_be_shown_later_is_shown_at_once(terminal):
    screen = terminal()
    with made().phase("starting", at_once=True):
        assert "starting" in drawn(screen)
    with made().phase("short"):
        pass
    assert "short" not in drawn(screen)


def test_a_message_is_above_the_rows_and_its_words_are_whole(terminal, monkeypatch):
    screen = terminal()
    monkeypatch.setenv("COLUMNS", "40")
    shown = made()
    shown.start(10)
    drawn(screen)
    shown.say("the tokenizer does not work in other processes: mlm train --output-dir somewhere/far --resume")
    text = [one.rstrip() for one in drawn(screen).splitlines()]
    assert text[:3] == [
        "the tokenizer does not work in other",
        "  processes:",
        "  mlm train --output-dir somewhere/far --resume",
    ]
    assert "0/10" in text[-1]
    shown.stop()


def test_what_another_library_prints_is_above_the_rows(terminal):
    screen = terminal()
    shown = made()
    shown.start(10)
    print("a warning", file=sys.stderr)
    shown.stop()
    lines = drawn(screen).splitlines()
    assert any(one.endswith("a warning") for one in lines) and "0/10" in lines[-1]


def test_the_last_line_of_a_command_is_below_nothing(terminal):
    screen = terminal()
    made().start(10)
    terminal_rows().add(Row("left behind"))
    show_last("mlm: stopped by Ctrl-C")
    seen = Screen(80)
    seen.feed(screen.getvalue().replace("\n", "\r\n"))
    assert seen.text == "mlm: stopped by Ctrl-C\n"
    assert terminal_rows()._rows == [] and sys.stderr is screen


def test_an_interrupt_while_a_phase_is_drawn_leaves_no_row(terminal, monkeypatch):
    terminal()
    add = terminal_rows().add

    def interrupted(row):
        add(row)
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal_rows(), "add", interrupted)
    with pytest.raises(KeyboardInterrupt), made().phase("starting", at_once=True):
        raise AssertionError
    assert terminal_rows()._rows == []


def test_an_error_inside_passes_through(impatient):
    with pytest.raises(KeyError), made().phase("thinking"):
        raise KeyError
    with pytest.raises(ZeroDivisionError):
        list(made().track((1 // number for number in (1, 0)), "counting", 2))


def test_a_log_gets_a_line_at_intervals_with_speed_and_time_left(capsys):
    shown = made(logging_steps=2)
    shown.start(5)
    for step, speed, left in ((1, None, None), (2, 1000.0, 90.0), (3, 1000.0, 60.0), (5, 1000.0, 0.0)):
        shown.step(line(step), speed, left)
    shown.stop()
    assert capsys.readouterr().err.splitlines() == [
        "step 2/5  loss 2  1,000 tokens/s  1 min 30 s left",
        "step 5/5  loss 2  1,000 tokens/s",
    ]


def test_a_terminal_that_cannot_be_written_to_ends_nothing(terminal, monkeypatch):
    screen = terminal()

    def full(text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(screen, "write", full)
    shown = made()
    shown.start(2)
    shown.say("a message")
    shown.step(line(1), None, None)
    shown.stop()


def test_no_thread_means_no_movement(terminal, monkeypatch):
    screen = terminal()

    def none(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", none)
    shown = made()
    with shown.phase("thinking"):
        assert list(shown.track([1], "counting", 1)) == [1]
    row = Row("training", 3)
    terminal_rows().add(row)
    assert "0/3" in drawn(screen)
    terminal_rows().remove(row)
    assert sys.stderr is screen
