"""A tokenizer_config.json names no file of the user."""

import json
import os

import numpy as np
import pytest
from tiny_models import write_model, write_tokenizer
from transformers import AutoTokenizer, BertConfig

from mlm_core import Config, RequestError
from mlm_core.model import write_model as writing
from mlm_core.model.find_model import find_model
from mlm_core.model.source import load_model_source
from mlm_core.model.tokenizer_checks import check_tokenizer_paths

ARRAYS = {"a": np.ones(2, np.float32)}


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


def own_tokenizer(directory):
    write_tokenizer(directory, "bert")
    return AutoTokenizer.from_pretrained(directory)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_tokenizer_is_never_written_through_a_link(tmp_path, link):
    tokenizer, mine = own_tokenizer(tmp_path / "model"), tmp_path / "mine.txt"
    mine.write_text("MINE")
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / "run").mkdir(exist_ok=True)
        link(mine, tmp_path / "run" / name)
    writing.write_model(tmp_path / "run", ARRAYS, BertConfig(), tokenizer, "BertForMaskedLM")
    assert mine.read_text() == "MINE"
    # transformers 4 and 5 write different files besides these.
    assert "[MASK]" in (tmp_path / "run" / "tokenizer.json").read_text()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert not (tmp_path / "run" / name).is_symlink()


def test_a_chat_template_is_written_nowhere(tmp_path):
    tokenizer = own_tokenizer(tmp_path / "model")
    tokenizer.chat_template = {"default": "x", str(tmp_path / "mine"): "EVIL", "../../up": "EVIL"}
    before = tokenizer.chat_template
    writing.write_model(tmp_path / "run", ARRAYS, BertConfig(), tokenizer, "BertForMaskedLM")
    assert not list(tmp_path.rglob("*.jinja"))
    assert tokenizer.chat_template == before


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("shape", [lambda path: path, lambda path: [path], lambda path: {"a": [path]}])
def test_no_file_of_settings_may_name_a_file_elsewhere(tmp_path, file, shape):
    (tmp_path / "model").mkdir()
    (tmp_path / "secret.txt").write_text("hunter2")
    settings = {"vocab_file": shape(str(tmp_path / "secret.txt"))}
    (tmp_path / "model" / file).write_text(json.dumps(settings))
    with pytest.raises(RequestError, match=f"its {file} names a file elsewhere"):
        check_tokenizer_paths(tmp_path / "model", "MODEL")


@pytest.mark.parametrize("name", ["vocab.txt", "config.json", "chat_template.jinja", "code.py"])
def test_no_file_may_be_a_link_to_one_elsewhere(tmp_path, name):
    (tmp_path / "model").mkdir()
    (tmp_path / "secret.txt").write_text("hunter2")
    (tmp_path / "model" / name).symlink_to("../secret.txt")
    with pytest.raises(RequestError, match=f"{name} is a link") as refused:
        check_tokenizer_paths(tmp_path / "model", "MODEL")
    assert refused.value.code == "link_outside"


def test_links_that_are_right(tmp_path):
    """Of weights, within the directory, and in the Hub's cache."""
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs").mkdir()
    (tmp_path / "models--a--b" / "blobs" / "7f").write_text("words")
    (snapshot / "vocab.txt").symlink_to("../../blobs/7f")
    (snapshot / "other.txt").symlink_to("vocab.txt")
    (tmp_path / "big.safetensors").write_text("w")
    (snapshot / "model.safetensors").symlink_to("../../../big.safetensors")
    check_tokenizer_paths(snapshot, "MODEL")
