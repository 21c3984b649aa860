"""The update, compared with a plain AdamW."""

import numpy as np
import pytest

from mlm_core.config.optimization import OptimizationConfig

SHAPES = {
    "bert.encoder.layer.0.output.dense.weight": (4, 3),
    "bert.encoder.layer.0.output.dense.bias": (4,),
    "bert.encoder.layer.0.output.LayerNorm.weight": (4,),
}
DECAYED = "bert.encoder.layer.0.output.dense.weight"


def reference(weights, gradients_by_step, rates, weight_decay, max_grad_norm):
    """Decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2), in double precision."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    first = {name: np.zeros_like(array) for name, array in weights.items()}
    second = {name: np.zeros_like(array) for name, array in weights.items()}
    norms = []
    for step, gradients in enumerate(gradients_by_step, 1):
        norm = sum((array.astype(np.float64) ** 2).sum() for array in gradients.values()) ** 0.5
        norms.append(norm)
        scale = min(1.0, max_grad_norm / (norm + 1e-6)) if max_grad_norm else 1.0
        rate = float(rates[step - 1])
        for name in weights:
            gradient = gradients[name] * scale
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.999 * second[name] + 0.001 * gradient**2
            corrected = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
            if name == DECAYED:
                weights[name] *= 1 - rate * weight_decay
            weights[name] -= rate * (first[name] / (1 - 0.9**step)) / corrected
    return weights, norms


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.5, 1e6])
@pytest.mark.parametrize("gradient_size", [1.0, 1e-7])
def test_the_update_is_adamw(numpy_engine, max_grad_norm, gradient_size):
    draw = np.random.RandomState(0)
    weights = {name: draw.randn(*shape).astype(np.float32) for name, shape in SHAPES.items()}
    gradients = [
        {name: (gradient_size * draw.randn(*shape)).astype(np.float32) for name, shape in SHAPES.items()}
        for _ in range(6)
    ]
    rates = np.array([0.0, 0.02, 0.05, 0.03, 0.01, 0.01], dtype=np.float32)
    config = OptimizationConfig(weight_decay=0.3, max_grad_norm=max_grad_norm)
    found, norms = numpy_engine.optimize(weights, gradients, config, rates)
    expected, expected_norms = reference(weights, gradients, rates, 0.3, max_grad_norm)
    assert norms == pytest.approx(expected_norms, rel=1e-5)
    for name in SHAPES:
        update = np.abs(expected[name] - weights[name]).max()
        assert np.abs(found[name] - expected[name]).max() < 2e-5 * update + 1e-7, name
