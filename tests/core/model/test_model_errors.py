"""What libraries raise on a model's files: one line by phase; the rest passes."""

from __future__ import annotations

import errno

import pytest

from mlm_core.compat.model_errors import Phase, explained, reason_of, shortened
from mlm_core.errors import RequestError, RunError


class PanicException(BaseException):
    """As pyo3 names the exception of a panic."""


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(
    "raised",
    [
        KeyError("gelo"),
        TypeError("empty(): argument 'size'\nsecond line"),
        OSError("Can't load the tokenizer"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        RecursionError("maximum recursion depth exceeded"),
        StopIteration(),
        PanicException("index out of bounds"),
        ValueError("\x1b[31mred\x07 " + "long " * 500),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_whatever_is_raised_becomes_one_line(phase, raised):
    with pytest.raises(RequestError) as caught, explained(phase, "MODEL"):
        raise raised
    line = str(caught.value)
    assert caught.value.value == "MODEL" and caught.value.code == phase.code
    assert caught.value.fix and caught.value.__cause__ is raised
    assert line.isprintable() and len(line) < 500


@pytest.mark.parametrize(
    "raised",
    [
        KeyboardInterrupt(),
        SystemExit(143),
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        RunError("the Hub failed", code="hub_failed"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_what_is_not_about_the_model_passes(raised):
    with pytest.raises(type(raised)) as caught, explained(Phase.BUILD, "MODEL"):
        raise raised
    assert caught.value is raised


def test_a_reason_has_the_type_where_the_message_says_little():
    assert reason_of(KeyError("gelo")) == "KeyError: 'gelo'"
    assert reason_of(ValueError()) == "ValueError"
    assert reason_of(ValueError("a sentence of words")) == "a sentence of words"


def test_a_shortened_text_is_printable():
    assert shortened("a\x1b[31m\u202eb") == "a\\x1b[31m\\u202eb"
    assert len(shortened("x" * 10_000)) < 300
