"""The first weights of a run: from the model, drawn with the seed, or both."""

import json

import pytest
from tiny_models import head_shapes

from mlm_core import RequestError
from mlm_core.model.initialization import draw_parameter
from mlm_core.model.weight_files import read_weights


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
