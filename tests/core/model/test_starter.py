"""The starter: the content of its directory, its recipe, and the options that it recommends."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import mlm_core
from mlm_core import Config, RequestError
from mlm_core.data.embedded_corpus import LIBRARY, PARTS
from mlm_core.model.find_model import STARTER, find_model
from mlm_core.model.source import load_model_source
from mlm_core.model.weight_files import read_weights

DIRECTORY = Path(mlm_core.__file__).parent / "model" / "starter"
BLANKS = Path(__file__).parents[2] / "data" / "blanks.jsonl"


def blanks():
    return [json.loads(line) for line in BLANKS.read_text(encoding="utf-8").splitlines()]


def words(text):
    return " ".join(re.findall("[a-z]+", text.lower()))


def test_it_is_small_and_holds_no_code():
    files = {path.name: path.stat().st_size for path in DIRECTORY.iterdir()}
    assert {Path(name).suffix for name in files} <= {".json", ".txt", ".md", ".safetensors"}
    assert sum(files.values()) <= 10_000_000
    weights = read_weights(DIRECTORY)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float16)}
    assert sum(array.size for array in weights.values()) <= 5_000_000
    settings = json.loads((DIRECTORY / "config.json").read_text(encoding="utf-8"))
    assert not {"auto_map", "trust_remote_code"} & set(settings)


def test_its_recipe_is_a_command_of_today():
    recipe = json.loads((DIRECTORY / "recipe.json").read_text(encoding="utf-8"))
    given = recipe["command"].split()
    assert given[:3] == ["mlm", "train", "--from-scratch"]
    assert given[given.index("--dataset") + 1] == recipe["text"]["source"] == LIBRARY
    steps, perplexities = zip(*recipe["curve"], strict=True)
    assert steps[0] == 0 and steps[-1] == int(given[given.index("--max-steps") + 1])
    assert perplexities[-1] == pytest.approx(recipe["perplexity_of_held_out_text"], abs=0.01)
    assert perplexities[-1] < perplexities[0] / 100


@pytest.mark.parametrize("model", [None, STARTER])
def test_it_is_the_default_model(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(model=model)
    files = find_model(config)
    assert files.directory == DIRECTORY
    assert set(files.recommended(from_scratch=False)) >= {"learning_rate"}
    source = load_model_source(config, files)
    assert (source.name, source.weights) == (STARTER, DIRECTORY)


def test_a_directory_with_its_name_takes_precedence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / STARTER).mkdir()
    with pytest.raises(RequestError, match=r"no config\.json"):
        find_model(Config(model=STARTER))


def test_its_recommendations_are_for_its_weights_only():
    assert find_model(Config(model=STARTER)).recommended(from_scratch=True) == {}
    assert find_model(Config(from_scratch=True)).made_for_the_text


@pytest.mark.parametrize(
    ("recommended", "found"),
    [
        ({"learning_rate": 0.1, "epochs": 2}, {"learning_rate": 0.1, "epochs": 2}),
        ({"learning_rate": 0.1, "output_dir": "/", "overwrite": True}, {"learning_rate": 0.1}),
        (["learning_rate"], {}),
        (None, {}),
    ],
)
def test_only_some_options_can_be_recommended(tmp_path, recommended, found):
    settings = {"model_type": "bert", "mlm_recommended": recommended}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert find_model(Config(model=str(tmp_path))).recommended(from_scratch=False) == found


def test_a_recommendation_that_is_not_a_number_is_an_error(tmp_path):
    settings = {"model_type": "bert", "mlm_recommended": {"learning_rate": "high"}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(RequestError, match="recommends --learning-rate high") as caught:
        find_model(Config(model=str(tmp_path))).recommended(from_scratch=False)
    assert caught.value.option == "--model"


def test_the_blanks_are_in_no_text():
    texts = [f" {words(document)} " for part in PARTS.values() for document in part()]
    for blank in blanks():
        filled = words(blank["text"].replace("<mask>", blank["answer"]))
        assert not any(f" {filled} " in text for text in texts), filled
