"""The first weights of a run: from the model, drawn with the seed, or both."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_models import head_shapes

from mlm_core import RequestError
from mlm_core.model.initialization import draw_parameter
from mlm_core.model.weight_files import read_weights

pytestmark = pytest.mark.any_ranks


def test_a_missing_head_is_drawn_by_the_core(lab):
    directory = lab.model("roberta", head=False, dropout=0.0)
    trainer = lab.trainer(model=str(directory), max_steps=1, learning_rate=0.0, weight_decay=0.0, seed=9)
    result = trainer.train()
    saved, stored = read_weights(result.run_dir), read_weights(directory)
    settings = trainer.setup.model.config
    for name in head_shapes("roberta", settings.vocab_size):
        assert (saved[name] == draw_parameter(name, saved[name].shape, settings, 9)).all()
    for name, array in stored.items():
        assert (saved[f"roberta.{name}"] == array).all()
    assert json.loads((result.run_dir / "config.json").read_text())["architectures"] == ["RobertaForMaskedLM"]
    with pytest.raises(RequestError, match="train it first"):
        lab.predictor(directory).fill(["a <mask>"])


def test_from_scratch_takes_the_architecture_only(lab):
    directory = lab.model("bert")
    trainer = lab.trainer(model=str(directory), from_scratch=True, max_steps=1, learning_rate=0.0, seed=4)
    saved = read_weights(trainer.train().run_dir)
    settings = trainer.setup.model.config
    for name, array in saved.items():
        assert (array == draw_parameter(name, array.shape, settings, 4)).all(), name


def test_a_short_run_is_not_all_warm_up(lab):
    """A short run caps the recommended warm-up, but not a given one."""
    assert lab.trainer(from_scratch=True, max_steps=4).setup.config.warmup_steps == 0
    assert lab.trainer(from_scratch=True, max_steps=50).setup.config.warmup_steps == 10
    assert lab.trainer(from_scratch=True, max_steps=5000).setup.config.warmup_steps == 300
    assert lab.trainer(from_scratch=True, max_steps=4, warmup_steps=3).setup.config.warmup_steps == 3


def test_no_model_from_scratch_is_a_small_roberta_and_its_tokenizer(lab):
    result = lab.train(from_scratch=True, max_steps=2)
    settings = json.loads((result.run_dir / "config.json").read_text())
    assert settings["model_type"] == "roberta"
    assert lab.predictor(result.run_dir).fill(["the <mask> sat."], top_k=2)


@pytest.mark.one_rank
def test_random_weights_of_an_architecture_have_rates_that_learn(lab, capsys):
    model = str(lab.model("bert"))
    assert lab.trainer(model=model, max_steps=50).setup.config.learning_rate == 2e-5
    config = lab.trainer(model=model, from_scratch=True, max_steps=50, quiet=False).setup.config
    assert config.learning_rate == 1e-3 and config.warmup_steps == 10
    assert "random weights: the learning rate is 0.001" in capsys.readouterr().err
    given = lab.trainer(model=model, from_scratch=True, max_steps=1, learning_rate=2e-5, quiet=False)
    assert given.setup.config.learning_rate == 2e-5
    given.specs()
    assert (
        "random weights learn little at a learning rate of 2e-05: --learning-rate 0.001"
        in capsys.readouterr().err
    )


@pytest.mark.one_rank
def test_a_new_head_at_a_low_rate_and_what_is_left_out_are_said(lab, tmp_path, capsys):
    model = shutil.copytree(lab.model("roberta", head=False), tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["pooler.dense.weight"] = np.zeros((16, 16), np.float32)
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    (model / "modules.json").write_text("[]")
    lab.trainer(model=str(model), max_steps=1, quiet=False).specs()
    said = capsys.readouterr().err
    assert "new weights learn little at a learning rate of 2e-05: --learning-rate 0.0001" in said
    assert "neither trained nor saved: pooler.dense" in said and "modules.json" in said
