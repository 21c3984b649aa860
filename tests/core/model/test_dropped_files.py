"""What a trained model leaves out is named."""

from __future__ import annotations

import json

from mlm_core.model.left_out import left_out
from mlm_core.model.settings_secrets import without_secrets

TOKEN = "hf_" + "aSecretOfMine7" * 2


def test_a_pooler_and_files_of_sentence_transformers(tmp_path):
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "1_Pooling").mkdir()
    unused = ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.seq_relationship.weight"]
    modules, files = left_out(unused, tmp_path)
    assert "bert.pooler.dense, cls.seq_relationship" in modules and "neither trained nor saved" in modules
    assert "modules.json, 1_Pooling" in files


def test_second_names_of_a_tensor_are_not_left_out(tmp_path):
    assert left_out(["lm_head.decoder.weight", "cls.predictions.decoder.bias"], tmp_path) == []
    assert left_out([], None) == []


def test_many_modules_are_counted():
    (line,) = left_out([f"head.{number}.weight" for number in range(10)], None)
    assert line.endswith("and 6 more")


def test_a_token_in_the_settings_is_left_out_and_said(tmp_path):
    settings = {"token": TOKEN, "depth": {"auth": f"Bearer {TOKEN}", "kept": 1}, "list": [TOKEN, "a"], "n": 2}
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(json.dumps(settings))
    assert without_secrets(settings) == {"depth": {"kept": 1}, "list": ["hf_***", "a"], "n": 2}
    for name, line in zip(("config.json", "tokenizer_config.json"), left_out([], tmp_path), strict=True):
        assert line.startswith(f"{name} of the model holds a token of the Hub") and TOKEN not in line
