"""What is shown of text from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_core.visible import holds_secret, masked, quantity, visible

SECRET = "hf_" + "aSecretOfMine7" * 2


@given(st.text(alphabet=st.characters(), max_size=80))
def test_nothing_shown_controls_a_terminal(text):
    shown = visible(text)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in shown)
    shown.encode()


@given(st.text(alphabet="ab\x1b[\n\t é日", max_size=40))
def test_what_is_shown_once_stays_as_it_is(text):
    shown = visible(text, lines=True)
    assert visible(shown, lines=True) == shown
    assert shown.count("\n") == text.count("\n")


@given(st.text(alphabet=" /=:'\"", max_size=5), st.text(alphabet=" /=:'\"", max_size=5))
def test_a_token_is_hidden_wherever_it_is(before, after):
    text = f"{before}{SECRET}{after}"
    assert SECRET not in masked(text)
    assert holds_secret(text)


def test_the_token_of_the_environment_is_hidden_whatever_it_looks_like(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "like-no-other-token")
    assert visible("with like-no-other-token in it") == "with *** in it"


def test_a_password_in_an_address_is_hidden():
    assert masked("https://me:word@example.org/a") == "https://***@example.org/a"


def test_what_is_hardly_a_name_is_hidden_and_not_refused():
    assert masked("--push-to-hub hf_MYSECRETTOKEN") == "--push-to-hub hf_***"
    assert not holds_secret("hf_MYSECRETTOKEN")


@pytest.mark.parametrize(
    "word",
    [
        "hf_recipe",
        "hf_internal_testing",
        "hf_pretraining2",
        "hf_WikiText103Large",
        "me/hf_model",
        "a@b.org",
        "x://y",
    ],
)
def test_words_that_are_no_secret_stay(word):
    assert masked(word) == word
    assert not holds_secret(word)


def test_one_is_one():
    assert [quantity(number, "step") for number in (0, 1, 2, 1000)] == [
        "0 steps",
        "1 step",
        "2 steps",
        "1,000 steps",
    ]
