"""A tokenizer_config.json names no file of the user."""

import json

import pytest
from tiny_models import write_model

from mlm_core import Config, RequestError
from mlm_core.model.find_model import find_model
from mlm_core.model.source import load_model_source


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model", "bert")


def load(model):
    config = Config(model=str(model))
    return load_model_source(config, find_model(config)).tokenizer


def setting(model, **values):
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "name", ["vocab_file", "merges_file", "tokenizer_file", "spm_file", "source_spm", "other"]
)
@pytest.mark.parametrize("relative", [False, True])
def test_a_file_elsewhere_is_refused(model, tmp_path, monkeypatch, name, relative):
    secret = tmp_path / "home" / "secret"
    secret.parent.mkdir()
    secret.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nmine\n")
    monkeypatch.chdir(tmp_path)
    setting(model, **{name: "./home/secret" if relative else str(secret)})
    with pytest.raises(RequestError, match=rf"names a file elsewhere: {name} is") as raised:
        load(model)
    assert raised.value.code == "path_outside" and str(model) in str(raised.value)


@pytest.mark.parametrize(
    "values",
    [
        {"special_tokens_map_file": __file__},  # no library reads it
        {"tokenizer_file": None},
        {"name_or_path": "/"},
        {"chat_template": "/" * 100_000},
        {"other": "a\0/b"},
        {"other": "/no/such/file"},
    ],
    ids=str,
)
def test_leftovers_of_other_machines_are_no_harm(model, values):
    before = load(model).get_vocab()
    setting(model, **values)
    assert load(model).get_vocab() == before


def test_a_file_of_the_directory_itself(model):
    setting(model, vocab_file=str(model / "vocab.txt"))
    assert load(model)
