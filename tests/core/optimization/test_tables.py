"""Learning rates, weight decay, randomness and sums."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlm_core.batches.randomness import Stream, integers_below, normals, permutation, raw_draws, uniforms
from mlm_core.metrics.sums import MaskedSums
from mlm_core.optimization.decay import is_decayed
from mlm_core.optimization.schedule import learning_rates


def test_linear_schedule_as_in_transformers():
    # transformers: step / warm-up while warming up, then (N - step) / (N - warm-up).
    rates = learning_rates(2.0, 10, scheduler="linear", warmup_steps=4)
    expected = [0, 0.5, 1.0, 1.5, 2.0] + [2.0 * (10 - step) / 6 for step in range(5, 10)]
    assert rates == pytest.approx(expected, rel=1e-6)


def test_cosine_and_constant():
    cosine = learning_rates(1.0, 8, scheduler="cosine")
    assert cosine == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)], rel=1e-6)
    assert learning_rates(3.0, 4, scheduler="constant", warmup_steps=2).tolist() == [0.0, 1.5, 3.0, 3.0]


@given(steps=st.integers(1, 50), warmup=st.integers(0, 60), scheduler=st.sampled_from(["linear", "cosine"]))
def test_schedule_stays_between_zero_and_its_peak(steps, warmup, scheduler):
    rates = learning_rates(0.5, steps, scheduler=scheduler, warmup_steps=warmup)
    assert rates.shape == (steps,)
    assert (rates >= 0).all() and (rates <= 0.5).all()
    assert (np.diff(rates[warmup:]) <= 0).all()


@pytest.mark.parametrize(
    ("name", "decayed"),
    [
        ("roberta.embeddings.word_embeddings.weight", True),
        ("roberta.encoder.layer.0.attention.self.query.weight", True),
        ("roberta.encoder.layer.0.attention.self.query.bias", False),
        ("roberta.encoder.layer.0.output.LayerNorm.weight", False),
        ("roberta.encoder.layer.0.output.LayerNorm.bias", False),
        ("lm_head.layer_norm.weight", False),
        ("lm_head.bias", False),
        ("distilbert.transformer.layer.1.sa_layer_norm.weight", False),
        ("distilbert.transformer.layer.1.output_layer_norm.weight", False),
        ("distilbert.transformer.layer.1.ffn.lin1.weight", True),
        ("vocab_layer_norm.weight", False),
        ("vocab_transform.weight", True),
        ("vocab_projector.bias", False),
        ("model.layers.3.mlp_norm.weight", False),
        ("model.final_norm.weight", False),
        ("esm.encoder.emb_layer_norm_after.weight", False),
        ("transformer.layer_norm_emb.weight", False),
        ("encoder.ln.weight", False),
        ("encoder.normalizer_proj.weight", True),
        ("albert.encoder.embedding_hidden_mapping_in.weight", True),
        ("albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.weight", False),
    ],
)
def test_decay_by_name(name, decayed):
    assert is_decayed(name) is decayed


def test_philox_is_the_published_one():
    # Philox4x64-10 at counter 1: numpy counts up before it draws. The expected numbers come from the
    # independent implementation below.
    mask = 2**64 - 1
    counter, key = [1, 0, 0, int(Stream.SPLIT)], [9, 5]
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) & mask, (key[1] + 0xBB67AE8584CAA73B) & mask]
    assert raw_draws(9, Stream.SPLIT, 5, 4).tolist() == counter


def test_numbers_from_draws():
    raw = raw_draws(0, Stream.SPLIT, 0, 200_000)
    numbers = uniforms(raw)
    assert numbers.min() >= 0 and numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 4 * (1 / 12 / 200_000) ** 0.5
    counts = np.bincount(integers_below(raw, 7), minlength=7)
    assert len(counts) == 7 and abs(counts / 200_000 - 1 / 7).max() < 4 * (1 / 7 / 200_000) ** 0.5
    drawn = normals(0, Stream.INITIALIZATION, 1, 200_001)
    assert len(drawn) == 200_001
    assert abs(drawn.mean()) < 4 / 200_001**0.5
    assert abs(drawn.std() - 1) < 4 / (2 * 200_001) ** 0.5
    assert abs((drawn**4).mean() - 3) < 0.15


@given(count=st.integers(0, 200), key=st.integers(0, 1000))
def test_permutation(count, key):
    assert sorted(permutation(1, Stream.PERMUTATION, key, count)) == list(range(count))


def test_sums_divide_once():
    # A mean of batch means would be (1 + 4) / 2.
    total = MaskedSums(1.0, 1, 1) + MaskedSums(12.0, 0, 3)
    assert total.loss == 13 / 4
    assert total.perplexity == pytest.approx(math.exp(13 / 4))
    assert total.accuracy == 0.25


@pytest.mark.parametrize(
    "sums", [MaskedSums(), MaskedSums(math.inf, 0, 1), MaskedSums(math.nan, 0, 1), MaskedSums(1e9, 0, 1)]
)
def test_numbers_that_are_not_finite_are_null(sums):
    results = json.loads(json.dumps(sums.to_dict(), allow_nan=False))
    assert results["perplexity"] is None
