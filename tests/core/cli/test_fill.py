"""What the command shows of the answers of `fill`."""

from __future__ import annotations

import pytest

from mlm_core.cli.fill import _presentable, _texts, show
from mlm_core.errors import RequestError

BAD = "\ufffd"


def answer(token_str, sequence, score=0.5):
    return {"score": score, "token": 7, "token_str": token_str, "sequence": sequence}


def test_bytes_are_readable_in_token_and_sequence():
    shown = _presentable([answer(BAD, f"caf{BAD} is")], lambda token: "<0xC3>")
    assert shown == [answer("<0xC3>", "caf<0xC3> is")]


def test_a_text_with_such_characters_of_its_own_stays():
    (shown,) = _presentable([answer(BAD, f"{BAD} caf{BAD}")], lambda token: "<0xC3>")
    assert shown["token_str"] == "<0xC3>" and shown["sequence"] == f"{BAD} caf{BAD}"


def test_a_token_without_text_is_spelled():
    (shown,) = _presentable([answer("", "a b")], lambda token: "\u2581")
    assert shown == answer("\u2581", "a b")


def test_usual_answers_are_not_changed():
    usual = [answer(" cat", "the cat sat"), answer(" ", "a  b")]
    assert _presentable(usual, lambda token: "wrong") == usual


def test_scores_that_are_not_finite_are_none():
    (shown,) = _presentable([answer("a", "a", float("nan"))], str)
    assert shown["score"] is None


def test_small_scores_can_be_compared(capsys):
    show({"results": [[answer(" a", "x", score) for score in (0.57249, 0.0123, 0.000123456, 4.5e-9, None)]]})
    scores = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert scores == ["0.5725", "0.0123", "0.000123", "4.5e-09", "-"]


@pytest.mark.parametrize("blank", [" ", "\n", "\t "])
def test_blank_tokens_are_quoted(blank, capsys):
    show({"results": [[answer(blank, "a b")]]})
    assert repr(blank) in capsys.readouterr().out


def test_a_text_in_place_of_the_run_is_said():
    with pytest.raises(RequestError, match="is a text, and no run is given"):
        _texts({"run": "the sea is <mask>.", "texts": [], "file": None})
    with pytest.raises(RequestError, match="no text to fill"):
        _texts({"run": "runs/torch", "texts": [], "file": None})
