"""What PyTorch's attention receives."""

import numpy as np
import pytest
from transformers import AutoConfig

from mlm_core.model.initialization import initial_weights

pytestmark = pytest.mark.one_engine

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "xlm-roberta-xl")
LAYERS = 2


@pytest.fixture(params=FAMILIES)
def model(request, numpy_engine):
    settings = AutoConfig.for_model(
        request.param,
        vocab_size=30,
        hidden_size=16,
        embedding_size=16,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        pad_token_id=1,
        initializer_range=0.2,
        **({"hidden_dim": 32} if request.param == "distilbert" else {}),
    )
    made = numpy_engine.Model(settings)
    made.assign(initial_weights(made.specs, None, settings, 7, request.param).weights)
    return made


def batch(padded):
    ids = np.random.RandomState(0).randint(5, 30, size=(3, 12))
    if not padded:
        return {"input_ids": ids}
    mask = np.ones_like(ids)
    ids[1, 8:], mask[1, 8:] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
def test_only_padding_needs_a_mask(numpy_engine, model, padded, compiled):
    assert numpy_engine.attention_masks(model, batch(padded), compiled) == [padded] * LAYERS


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
def test_logits_are_those_of_the_stock_class(numpy_engine, model, padded):
    made = batch(padded)
    found = model.forward(made)["logits"]
    # A pass with padding before one without must leave nothing behind, and the other way round.
    model.forward(batch(not padded))
    again = model.forward(made)["logits"]
    stock = numpy_engine.stock_logits(model, made)
    assert np.abs(found - stock).max() < 1e-6
    assert (found == again).all()


def test_attention_weights_can_be_asked_for(numpy_engine, model):
    """transformers 4.57 computes them in another way, which needs a mask in DistilBERT."""
    found = numpy_engine.logits_beside_attention_weights(model, batch(False))
    assert np.abs(found - model.forward(batch(False))["logits"]).max() < 1e-5
