"""What editors, `help()` and completion show of the options is what the options are."""

import inspect
import pydoc
import typing

import pytest

from mlm_core import Config, Run, train
from mlm_core.api.stub import STUB, stub

CALLS = {"train": train, "Config": Config}


@pytest.mark.parametrize("name", CALLS)
def test_a_signature_has_every_option_by_name(name):
    parameters = inspect.signature(CALLS[name]).parameters
    assert set(parameters) == set(Config.options())
    for option, parameter in parameters.items():
        spec = Config.options()[option]
        assert parameter.default == spec.default
        if option != "dataset":
            assert parameter.kind is parameter.KEYWORD_ONLY


def test_only_the_dataset_may_be_given_by_place():
    first, *others = inspect.signature(train).parameters.values()
    assert first.name == "dataset" and first.kind is first.POSITIONAL_OR_KEYWORD
    assert others[0].name == "backend"
    assert inspect.signature(train).return_annotation is Run


def test_hints_hold_what_an_option_takes():
    for name, parameter in inspect.signature(Config).parameters.items():
        spec, parts = Config.options()[name], typing.get_args(parameter.annotation)
        assert (type(None) in parts) is spec.optional, name
        if spec.choices:
            assert parts == spec.choices
        else:
            assert parameter.annotation is spec.type or spec.type in parts, name


@pytest.mark.parametrize("name", CALLS)
def test_a_docstring_says_what_each_option_is_and_its_default(name):
    described = " ".join(str(CALLS[name].__doc__).partition("Args:")[2].split())
    described = f" {described}"
    for option, spec in Config.options().items():
        if name == "train" and option == "dataset":
            assert "list of texts" in described
            continue
        start = described.index(f" {option}: ")
        text = described[start : start + 500]
        # The names of other options are Python's in it, so the first words are compared.
        assert " ".join(spec.help.split("--")[0].split()[:4]) in text
        if spec.default_text is None and spec.default not in (None, True, False):
            assert f"(default: {spec.default!r})" in text
    assert "--epochs" not in described and "overrides epochs" in described
    assert "hub_private=False makes it public" in described


@pytest.mark.parametrize("name", CALLS)
def test_help_shows_the_options(name):
    shown = pydoc.render_doc(CALLS[name], renderer=pydoc.plaintext)
    assert "learning_rate: float | None = None" in shown
    assert "peak learning rate" in shown


def test_the_stub_is_up_to_date():
    # Else run: python -m mlm_core.api.stub
    assert STUB.read_text(encoding="utf-8") == stub()


def test_a_config_shows_what_differs_from_the_defaults():
    config = Config(dataset="posts.jsonl", seed=7, epochs=None)
    assert repr(config) == "Config(dataset='posts.jsonl', seed=7)"
    assert eval(repr(config)) == config
    assert repr(Config()) == "Config()"
