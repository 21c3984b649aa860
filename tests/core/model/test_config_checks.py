"""Values in config.json that no model can have, and sizes that no memory holds."""

from __future__ import annotations

import math

import pytest
from transformers import AlbertConfig, BertConfig, DistilBertConfig, EsmConfig, RobertaConfig

from mlm_core.errors import RequestError
from mlm_core.model import config_checks
from mlm_core.model.config_checks import check_config, check_memory, check_settings, parameters

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.mark.parametrize(
    "key", ["num_hidden_layers", "n_layers", "vocab_size", "dim", "num_labels", "max_position_embeddings"]
)
@pytest.mark.parametrize("value", [2**31, 10**12, 10**400, 1e300, math.inf, math.nan])
def test_a_size_as_written_is_limited(key, value):
    with pytest.raises(RequestError, match=key) as caught:
        check_settings({key: value}, "MODEL")
    assert caught.value.code == "bad_config" and len(str(caught.value)) < 400


def test_usual_settings_pass():
    check_settings(BertConfig().to_dict(), "MODEL")
    check_settings(
        {"num_hidden_layers": 200, "layer_norm_eps": 1e-12, "name": "x", "max_position_embeddings": -1},
        "MODEL",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", None), ("vocab_size", 0), ("vocab_size", -1), ("vocab_size", "many"),
        ("vocab_size", True),
        ("hidden_size", 0), ("hidden_size", 1.5), ("num_hidden_layers", -1), ("num_hidden_layers", 10**7),
        ("num_attention_heads", 0), ("intermediate_size", "x"), ("max_position_embeddings", "512"),
        ("max_position_embeddings", 1), ("pad_token_id", 100), ("pad_token_id", "x"), ("pad_token_id", 1.0),
        ("initializer_range", "x"), ("initializer_range", -1), ("initializer_range", math.nan),
        ("hidden_dropout_prob", 2), ("hidden_dropout_prob", -0.1), ("hidden_dropout_prob", math.nan),
    ],
)  # fmt: skip
def test_a_value_that_no_model_has_is_refused(key, value):
    config = RobertaConfig(vocab_size=100, **SIZES)
    # Around the checks of transformers 5, which refuses some of these itself.
    vars(config)[key] = value
    with pytest.raises(RequestError, match=key) as caught:
        check_config(config, "MODEL")
    assert caught.value.value == "MODEL"


@pytest.mark.parametrize("kind", [BertConfig, RobertaConfig, DistilBertConfig, AlbertConfig, EsmConfig])
def test_the_defaults_of_architectures_pass(kind):
    check_config(kind(vocab_size=100, pad_token_id=1), "MODEL")


def test_the_formula_is_near_published_sizes():
    # The numbers of parameters of bert-base-uncased and albert-base-v2, heads included.
    assert parameters(BertConfig()) == pytest.approx(110e6, rel=0.02)
    assert parameters(
        AlbertConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072)
    ) == pytest.approx(11.7e6, rel=0.1)


def test_other_names_of_the_inner_width_count():
    assert parameters(DistilBertConfig()) == pytest.approx(67e6, rel=0.02)
    assert parameters(DistilBertConfig(hidden_dim=10**9)) > 10**12


def test_positions_without_a_table_need_no_memory():
    rotary = EsmConfig(
        vocab_size=33, position_embedding_type="rotary", max_position_embeddings=10**9, **SIZES
    )
    absolute = EsmConfig(
        vocab_size=33, position_embedding_type="absolute", max_position_embeddings=10**9, **SIZES
    )
    assert parameters(rotary) < 10**5 < 10**9 < parameters(absolute)


@pytest.mark.parametrize(
    "sizes",
    [
        {"vocab_size": 2**30},
        {"intermediate_size": 2**31},
        {"type_vocab_size": 2**31},
        {"hidden_size": 10**6},
        {"max_position_embeddings": 2**31},
    ],
)
def test_what_no_memory_holds_is_refused(sizes, monkeypatch):
    monkeypatch.setattr(config_checks, "free_memory", lambda: 10**10)
    with pytest.raises(RequestError, match=r"10\.0 GB of memory are free") as caught:
        check_memory(BertConfig(**{"vocab_size": 100, **SIZES, **sizes}), "MODEL")
    assert caught.value.code == "model_too_large"


def test_training_needs_more_than_predicting(monkeypatch):
    config = BertConfig()
    monkeypatch.setattr(config_checks, "free_memory", lambda: 10**9)
    check_memory(config, "MODEL")
    with pytest.raises(RequestError, match="training needs about 1"):
        check_memory(config, "MODEL", config_checks.TRAINING_COPIES)


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(config_checks, "free_memory", lambda: None)
    check_memory(BertConfig(hidden_size=10**6), "MODEL")
