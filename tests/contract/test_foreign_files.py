"""Models whose files lie: each is refused in one line that names the model, in every phase of the work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlm_core.errors import MlmError, RequestError

LIES = [
    ("hidden_act", "gelo"), ("hidden_act", 5), ("hidden_size", 17), ("hidden_size", "x"),
    ("num_attention_heads", 3), ("num_attention_heads", 0), ("num_hidden_layers", 10**7),
    ("num_hidden_layers", 3), ("vocab_size", 10), ("vocab_size", 10**12), ("vocab_size", None),
    ("type_vocab_size", -1), ("type_vocab_size", 10**9), ("intermediate_size", 1.5),
    ("max_position_embeddings", "512"), ("max_position_embeddings", 10**30), ("pad_token_id", 10**6),
    ("layer_norm_eps", "x"), ("layer_norm_eps", float("nan")), ("hidden_dropout_prob", 7),
    ("initializer_range", -1), ("num_labels", 10**9), ("id2label", {"a": "b"}), ("model_type", "nothing"),
]  # fmt: skip


@pytest.fixture
def copy(lab, tmp_path):
    return Path(shutil.copytree(lab.model("bert"), tmp_path / "model"))


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(model, act):
    with pytest.raises(MlmError) as caught:
        act()
    line = str(caught.value)
    assert str(model) in line and line.isprintable() and len(line) < 700
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize(("key", "value"), LIES, ids=str)
def test_a_lie_in_config_json(lab, copy, key, value):
    change(copy / "config.json", **{key: value})
    refused(copy, lambda: lab.predictor(copy).fill(["the [MASK] sat."]))


@pytest.mark.parametrize(
    ("key", "value"), [("hidden_act", "gelo"), ("num_hidden_layers", 10**7), ("layer_norm_eps", "x")], ids=str
)
@pytest.mark.parametrize("head", ["sparse", "dense"])
def test_training_and_evaluating_refuse_it_before_a_run_begins(lab, copy, key, value, head):
    change(copy / "config.json", **{key: value})
    config = lab.config(model=str(copy), max_steps=1, mlm_head=head)
    refused(copy, lambda: lab.engine.trainer(config).train())
    refused(copy, lambda: lab.engine.evaluator(config, whole=True).evaluate())
    assert not Path(config.output_dir).exists() or not list(Path(config.output_dir).iterdir())


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_token_in_the_settings_of_a_model_is_not_carried_on(lab, copy, tmp_path, capsys, name):
    token = "hf_" + "aSecretOfMine7" * 2
    # transformers 5 takes a setting of a tokenizer that ends with _token for one more special token.
    change(copy / name, token=token, auth=f"Bearer {token}", more={"deep": token})
    trainer = lab.trainer(model=str(copy), max_steps=1, quiet=False, save_steps=1)
    run = trainer.train().run_dir
    trainer.save(tmp_path / "saved")
    assert f"{name} of the model holds a token of the Hub" in capsys.readouterr().err
    for directory in (run, tmp_path / "saved"):
        written = [path for path in directory.rglob("*") if path.is_file()]
        assert len(written) > 3 and not [path for path in written if token.encode() in path.read_bytes()]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(lab, copy, value):
    weights = load_file(copy / "model.safetensors")
    weights["bert.embeddings.LayerNorm.weight"][3] = value
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    error = refused(copy, lambda: lab.predictor(copy).fill(["the [MASK] sat."]))
    assert error.code == "not_finite" and "bert.embeddings.LayerNorm.weight" in error.message
    refused(copy, lambda: lab.trainer(model=str(copy), max_steps=1).train())


def test_predictions_that_are_not_finite(lab, copy):
    weights = load_file(copy / "model.safetensors")
    weights["cls.predictions.transform.LayerNorm.weight"][:] = 3e38
    weights["bert.embeddings.word_embeddings.weight"] *= 100
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert refused(copy, lambda: lab.predictor(copy).fill(["the [MASK] sat."])).code == "not_finite"


@pytest.mark.parametrize("place", ["added token", "template", "vocabulary"])
def test_ids_beyond_the_embedding(lab, copy, place):
    path = copy / "tokenizer.json"
    described = json.loads(path.read_text())
    if place == "added token":
        # Version 4.57 gives a new token the next id, whatever the file says.
        described["added_tokens"].append({**described["added_tokens"][0], "id": 10**6, "content": "[NEW]"})
    elif place == "template":
        described["post_processor"] = json.loads(
            json.dumps(described["post_processor"]).replace('"ids": [2]', '"ids": [1000000]')
        )
    else:
        described["model"]["vocab"]["zebra"] = 10**6
    path.write_text(json.dumps(described))
    (copy / "vocab.txt").unlink(missing_ok=True)
    error = refused(copy, lambda: lab.predictor(copy).fill(["the [MASK] sat."]))
    assert error.code in ("vocabulary_mismatch", "not_a_model")
    refused(copy, lambda: lab.trainer(model=str(copy), max_steps=1))


def test_a_tokenizer_that_fails_on_a_text(lab, copy):
    path = copy / "tokenizer.json"
    described = json.loads(path.read_text())
    described["model"]["unk_token"] = "[NONE]"
    del described["model"]["vocab"]["the"]
    path.write_text(json.dumps(described))
    error = refused(copy, lambda: lab.predictor(copy).fill(["the [MASK] sat."]))
    assert error.code == "bad_tokenizer"
    error = refused(copy, lambda: lab.trainer(model=str(copy), max_steps=1))
    assert error.code == "bad_tokenizer" and error.value == str(copy)


def resized(copy, rows, favourite=None):
    """The same model with another number of rows in its embedding; one row is by far the most likely."""
    change(copy / "config.json", vocab_size=rows)
    weights = load_file(copy / "model.safetensors")
    for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias"):
        array = weights[name]
        more = np.zeros((max(0, rows - len(array)), *array.shape[1:]), np.float32)
        weights[name] = np.ascontiguousarray(np.concatenate([array, more])[:rows])
    if favourite is not None:
        weights["cls.predictions.bias"][favourite] = 30.0
    save_file(weights, copy / "model.safetensors", {"format": "pt"})


def test_an_embedding_with_too_few_rows(lab, copy):
    resized(copy, 12)
    error = refused(copy, lambda: lab.predictor(copy).fill(["the [MASK] sat."], targets=["cat"]))
    assert error.code == "vocabulary_mismatch" and "only 12 rows" in error.message


def test_rows_that_are_no_token_are_never_answers(lab, copy, capsys):
    known = json.loads((copy / "config.json").read_text())["vocab_size"]
    resized(copy, known + 40, favourite=known + 7)
    (found,) = lab.predictor(copy).fill(["the [MASK] sat."], top_k=known + 40)
    assert sorted(fill["token"] for fill in found) == list(range(known))
    assert all(fill["token_str"] for fill in found)
    assert "no token of its tokenizer" in capsys.readouterr().err


def test_targets_are_words_not_spellings(lab, capsys):
    predictor = lab.predictor(lab.model("roberta"))
    tokenizer = predictor._loaded().source.tokenizer
    # é is two bytes; the vocabulary spells another byte, 0xE9, like it.
    (found,) = predictor.fill(["the <mask> sat."], targets=["é"])
    assert [fill["token"] for fill in found] == tokenizer("é", add_special_tokens=False)["input_ids"][:1]
    assert "first piece '<0xC3>' is scored" in capsys.readouterr().err
    (found,) = predictor.fill(["the <mask> sat."], targets=["é", "è"])
    assert len(found) == 1 and "begin with the same token" in capsys.readouterr().err
    assert predictor.readable(tokenizer.get_vocab()["é"]) == "<0xE9>"
    assert predictor.readable(tokenizer.get_vocab()["Ġ"]) == " "


def test_an_unknown_target_is_an_error(lab):
    with pytest.raises(RequestError, match="unknown to this model's tokenizer") as caught:
        lab.predictor(lab.model("bert")).fill(["the [MASK] sat."], targets=["cat", "私"])
    assert caught.value.code == "bad_target" and caught.value.value == "私"


def test_memory_that_runs_out_while_filling(lab, monkeypatch):
    predictor = lab.predictor(lab.model("bert"))
    predictor.fill(["the [MASK] sat."])

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(type(predictor._loaded()), "logits", full)
    with pytest.raises(MlmError, match="out of memory") as caught:
        predictor.fill(["the [MASK] sat."])
    assert caught.value.code == "out_of_memory"
