"""`mlm push` with a server on this machine instead of the Hub; no framework is needed."""

import json
import shutil

import pytest
import yaml
from hub_pushes import REPOSITORY
from tiny_models import write_model


def test_only_the_models_own_files_go_up(push, hub, directory):
    assert push(directory, REPOSITORY) == f"{hub.url}/{REPOSITORY}"
    files = hub.files(REPOSITORY)
    written = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    maybe = {".gitattributes", "special_tokens_map.json", "README.md"}
    assert written <= files.keys() <= written | maybe
    assert not any(str(directory.parent).encode() in content for content in files.values())
    assert json.loads(files["config.json"])["model_type"] == "bert"
    assert files["model.safetensors"] == (directory / "model.safetensors").read_bytes()
    assert not (directory / "hub.json").exists()
    front = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert front["pipeline_tag"] == "fill-mask" and front["library_name"] == "transformers"


@pytest.mark.parametrize(
    ("words", "private"), [([], True), (["--hub-public"], False), (["--hub-private"], True)]
)
def test_private_unless_asked(push, hub, directory, words, private):
    push(directory, "small", *words)
    assert hub.models["me/small"].private == private


def test_where_options_stand_and_what_it_is_called(push, hub, directory):
    push(directory, "--hub-public", "org/between")
    push(directory, "--hub-public")
    assert not hub.models["org/between"].private and not hub.models["me/tiny"].private


def test_again_changes_nothing(push, hub, directory):
    for _ in range(2):
        push(directory, REPOSITORY)
    assert len(hub.models[REPOSITORY].branches["main"]) == 2


def test_what_would_be_loaded_in_its_place_goes_away(push, hub, directory):
    push(directory, REPOSITORY)
    old = dict.fromkeys(("pytorch_model.bin", "tf_model.h5", "merges.txt", "eval.py"), b"old")
    old |= {"model-00001-of-00002.safetensors": b"old", "model.safetensors.index.json": b"{}"}
    hub.models[REPOSITORY].commit("main", "by hand", None, old | {"onnx/model.safetensors": b"theirs"})
    push(directory, REPOSITORY)
    assert old.keys() & hub.files(REPOSITORY).keys() == {"eval.py"}
    assert "onnx/model.safetensors" in hub.files(REPOSITORY)


def test_what_is_ignored_there_is_missed(push, hub, directory):
    push(directory, REPOSITORY)
    hub.models[REPOSITORY].commit("main", "", None, {".gitignore": b"vocab.txt\n", "vocab.txt": None})
    error = push(directory, REPOSITORY, code=1)
    assert ".gitignore" in error["fix"]


def test_words_of_a_vocabulary_stay(push, hub, tmp_path):
    """Even words that are also names of settings."""
    model = write_model(tmp_path / "tiny", "roberta")
    # transformers 5 writes no vocab.json.
    words = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    words["name_or_path"] = words["cache_dir"] = len(words)
    (model / "vocab.json").write_text(json.dumps(words))
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings |= {"cache_dir": "cache", "place": str(tmp_path), "tokenizer_file": None}
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    push(model, REPOSITORY)
    assert json.loads(hub.files(REPOSITORY)["vocab.json"]) == words
    published = json.loads(hub.files(REPOSITORY)["tokenizer_config.json"])
    assert settings.keys() - published.keys() == {"cache_dir", "place", "tokenizer_file"}


def test_a_model_that_is_not_whole(push, hub, directory, tmp_path):
    weights = (directory / "model.safetensors").read_bytes()
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for number, (damaged, content) in enumerate(
        [
            ("model.safetensors", weights[:1000]),
            ("model.safetensors.index.json", json.dumps({"weight_map": parts}).encode()),
            ("tokenizer_config.json", b"{"),
            ("config.json", b"{"),
        ]
    ):
        model = shutil.copytree(directory, tmp_path / str(number))
        if "index" in damaged:
            (model / "model.safetensors").rename(model / parts["a"])
        (model / damaged).write_bytes(content)
        push(model, REPOSITORY, code=2)
        assert REPOSITORY not in hub.models or hub.files(REPOSITORY).keys() == {".gitattributes"}


def test_a_model_without_its_tokenizer_leaves_that_of_the_repository(push, hub, directory, tmp_path):
    push(directory, REPOSITORY)
    before = hub.files(REPOSITORY)
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(directory / name, alone)
    (alone / "README.md").write_text("---\nlicense: [mit\n---\n")
    assert push(alone, REPOSITORY, code=1)["code"] == "bad_card"
    (alone / "README.md").write_text("---\nlicense: mit\n---\nmine")
    push(alone, REPOSITORY)
    after = hub.files(REPOSITORY)
    assert {name for name in before if before[name] != after.get(name)} == {"README.md"}
    # A generated card does not replace a card written by hand.
    (alone / "README.md").unlink()
    push(alone, REPOSITORY)
    assert hub.files(REPOSITORY)["README.md"].endswith(b"mine")
