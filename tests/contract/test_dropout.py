"""Dropout: keyed noise, its share and its mean."""

import numpy as np
import pytest
from training_runs import steps


def test_dropout_noise_is_keyed(numpy_engine, lab):
    """Noise is equal for the same seed, step and micro-batch, whatever was drawn before; else it differs."""
    model = numpy_engine.noisy_model(lab.model("bert", dropout=0.3))
    ids = np.arange(5, 21)[None].repeat(3, axis=0)
    first = model(ids, seed=1, step=4, micro_batch=2)
    model(ids, seed=1, step=9, micro_batch=0)
    assert (model(ids, seed=1, step=4, micro_batch=2) == first).all()
    for other in ({"seed": 2}, {"step": 5}, {"micro_batch": 3}):
        assert np.abs(model(ids, **({"seed": 1, "step": 4, "micro_batch": 2} | other)) - first).max() > 1e-3
    # Rows of a batch have different noise.
    assert np.abs(first[0] - first[1]).max() > 1e-3


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_drops_its_share(numpy_engine, half, rate):
    values = 1 + np.arange(60_000, dtype=np.float32).reshape(3, 200, 100) % 7
    dropped = numpy_engine.dropout(values, rate, seed=3, half=half)
    assert_dropped(dropped, values, rate, 4e-3 if half else 1e-4)
    other = numpy_engine.dropout(values, rate, seed=4, half=half)
    both = ((dropped == 0) & (other == 0)).mean()
    assert both == pytest.approx(rate**2, abs=5 * np.sqrt(rate**2 / values.size))


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("padded", [False, True])
def test_dropout_of_attention_weights(numpy_engine, half, padded):
    """With the identity as values, the output is the attention weights."""
    draw = np.random.default_rng(5)
    query, key = draw.normal(size=(2, 4, 3, 32, 16)).astype(np.float32)
    value = np.broadcast_to(np.eye(32, dtype=np.float32), (4, 3, 32, 32)).copy()
    mask = np.ones((4, 1, 1, 32), bool)
    if padded:
        mask[:, :, :, 25:] = False
    scores = np.where(mask, query @ key.swapaxes(-1, -2) / 4, -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    seen = numpy_engine.attention(query, key, value, mask if padded else None, 0.2, seed=1, half=half)
    assert (seen[..., ~mask[0, 0, 0]] == 0).all()
    assert_dropped(seen[..., mask[0, 0, 0]], weights[..., mask[0, 0, 0]], 0.2, 5e-2 if half else 1e-4)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
def test_a_row_of_attention_that_sees_nothing_is_still_a_number(numpy_engine, half):
    query = np.ones((2, 1, 8, 16), np.float32)
    mask = np.ones((2, 1, 1, 8), bool)
    mask[1] = False
    seen = numpy_engine.attention(query, query, query, mask, 0.2, seed=1, half=half, least=True)
    assert np.isfinite(seen).all()


def assert_dropped(dropped, values, rate, tolerance):
    """Check that a share `rate` is 0 and that the others are scaled up."""
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], (values / (1 - rate))[kept], rtol=tolerance)
    assert 1 - kept.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / values.size))


def test_dropout_is_on_in_training_and_repeatable(lab):
    options = {"model": str(lab.model("distilbert", dropout=0.3)), "max_steps": 4, "batch_size": 4}
    options |= {"gradient_accumulation_steps": 2, "learning_rate": 1e-3}
    first, again = (steps(lab.train(**options).run_dir) for _ in range(2))
    silent = steps(lab.train(**options, dropout=0.0).run_dir)
    for one, same, other in zip(first, again, silent, strict=True):
        assert one["loss"] == pytest.approx(same["loss"], rel=1e-6)
        assert one["batch_digest"] == other["batch_digest"]
        assert one["loss"] != pytest.approx(other["loss"], rel=1e-6)
