"""Text that fits a terminal."""

import io
import os
import pty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_core.system.terminal import columns, fitted, wrapped


class Shown(io.StringIO):
    def isatty(self):
        return True


WORDS = st.lists(st.text(alphabet="abc-.,/", min_size=1, max_size=30), min_size=1, max_size=40)


@given(words=WORDS, width=st.integers(20, 130))
def test_no_word_is_broken_and_none_is_lost(words, width):
    lines = wrapped(" ".join(words), width).split("\n")
    assert " ".join(lines).split() == words
    for line in lines:
        assert len(line) <= width or len(line.split()) == 1


def test_a_short_line_stays_as_it_is():
    assert wrapped("   a  b ", 20) == "   a  b "


def test_the_rest_of_a_row_is_below_its_last_column():
    row = "cache            a directory with a long name"
    assert wrapped(row, 40) == "cache            a directory with a long\n                 name"
    assert wrapped("  0.97  the  a sentence that is long", 30) == (
        "  0.97  the  a sentence that\n             is long"
    )


def test_a_command_stays_whole_on_a_line_of_its_own():
    said = "mlm: stopped by Ctrl-C; to go on: mlm train --output-dir runs/a-long-name --resume"
    assert wrapped(said, 60) == (
        "mlm: stopped by Ctrl-C; to go on:\n  mlm train --output-dir runs/a-long-name --resume"
    )
    assert wrapped(said, 200) == said


def test_a_row_of_a_markdown_table_stays_whole():
    assert "\n" not in wrapped("| a | " + "word " * 30 + "|", 40)


def test_only_a_terminal_wraps(monkeypatch):
    text = "some words that are longer than the terminal is\nand a second line"
    assert fitted(text, io.StringIO()) == text
    monkeypatch.setenv("COLUMNS", "20")
    assert fitted(text, Shown()) == "some words that are\n  longer than the\n  terminal is\nand a second line"


@pytest.mark.parametrize(
    ("variable", "width"), [("", 80), ("0", 80), ("-3", 80), ("x", 80), ("²", 80), ("51", 51)]
)
def test_the_width_by_the_variable(variable, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", variable)
    assert columns(Shown()) == width
    assert columns(io.StringIO()) is None


def test_the_width_of_a_terminal(monkeypatch):
    import fcntl
    import struct
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    leader, follower = pty.openpty()
    try:
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 61, 0, 0))
        with os.fdopen(os.dup(follower), "w") as stream:
            assert columns(stream) == 61
        # Closed.
        assert columns(stream) is None
    finally:
        os.close(leader)
        os.close(follower)
