"""The findings on two engines' results that differ in one thing."""

from dataclasses import replace

import numpy as np
import pytest

from mlm_core.metrics.sums import MaskedSums
from mlm_core.parity.comparison import compare
from mlm_core.parity.worker import EngineResult

NAMES = ("a.weight", "key.bias")


def evaluation(loss, accuracy=0.5, masked_tokens=200):
    return {"eval_loss": loss, "eval_accuracy": accuracy, "eval_masked_tokens": masked_tokens}


def result(backend="one"):
    draw = np.random.RandomState(0)
    start = {name: draw.randn(6, 5).astype(np.float32) for name in NAMES}
    steps = [
        {
            "loss": 2.0 - step / 100,
            "batch_digest": f"{step:032}",
            "learning_rate": 0.1,
            "masked_tokens": 40,
            "grad_norm": 1.5,
        }
        for step in range(9)
    ]
    return EngineResult(
        backend=backend,
        start=start,
        end={name: array + 0.1 for name, array in start.items()},
        sums=MaskedSums(20.0, 3, 10),
        logits=draw.randn(2, 3, 7).astype(np.float32),
        gradients={"a.weight": draw.randn(6, 5), "key.bias": 1e-9 * draw.randn(6, 5)},
        steps=steps,
        evaluations=[evaluation(2.0), evaluation(1.0)],
    )


def altered(array, by):
    """The array with its first element moved."""
    changed = np.array(array)
    changed.flat[0] += by
    return changed


def test_equal_results_agree():
    found = compare(result(), result("other"))
    assert found.agrees and all(finding.agrees for finding in found.findings)
    assert all(finding.difference == 0 for finding in found.findings)
    assert found.as_dict()["backends"] == ["one", "other"]


def steps(number, **values):
    lines = result().steps
    return [*lines[:number], lines[number] | values, *lines[number + 1 :]]


def moved(by):
    return {"a.weight": result().end["a.weight"] * (1 + by), "key.bias": result().end["key.bias"]}


REAL = result()
DIFFERENCES = {
    "batches received": [{"steps": steps(3, batch_digest="x")}, {"steps": steps(0, batch_digest=None)}],
    "learning rates": [{"steps": steps(3, learning_rate=0.1 + 1e-9)}],
    "starting weights": [
        {"start": REAL.start | {"a.weight": altered(REAL.start["a.weight"], 1e-6)}},
        {"start": {"a.weight": REAL.start["a.weight"]}},
    ],
    "first loss": [{"sums": MaskedSums(20.01, 3, 10)}, {"sums": MaskedSums(float("nan"), 3, 10)}],
    "logits": [
        {"logits": altered(REAL.logits, 2e-4)},
        {"logits": altered(REAL.logits, float("nan"))},
        {"logits": REAL.logits[:1]},
    ],
    "gradients": [
        {"gradients": REAL.gradients | {"a.weight": altered(REAL.gradients["a.weight"], 1e-3)}},
        {"gradients": REAL.gradients | {"key.bias": np.full((6, 5), 1e-3)}},
        {"gradients": {"a.weight": REAL.gradients["a.weight"]}},
        {"gradients": REAL.gradients | {"a.weight": np.ones((2, 15))}},
    ],
    "losses of 9 steps": [{"steps": steps(5, loss=1.9505)}, {"steps": steps(8, loss=None)}],
    "masked tokens": [
        {"steps": steps(2, masked_tokens=41)},
        {"evaluations": [evaluation(2.0), evaluation(1.0, masked_tokens=199)]},
    ],
    "gradient norms": [{"steps": steps(2, grad_norm=1.501)}],
    "held-out losses": [{"evaluations": [evaluation(2.0), evaluation(1.001)]}],
    "held-out accuracy": [{"evaluations": [evaluation(2.0), evaluation(1.0, accuracy=0.51)]}],
    "length of the run": [{"steps": result().steps[:-1]}],
    "total update": [{"end": moved(0.01)}],
}


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name, changes in DIFFERENCES.items() for change in changes]
)
def test_what_differs_is_named(name, change):
    found = compare(result(), replace(result("other"), **change))
    assert not found.agrees
    disagree = [finding.name for finding in found.findings if not finding.agrees]
    # A parameter with a gradient on one side only counts in the update, too, and so may not agree there.
    assert disagree[0] == name and set(disagree) <= {name, "total update"}


def test_rounding_is_no_difference():
    other = replace(
        result("other"),
        steps=steps(5, loss=1.95 + 1e-6),
        logits=altered(REAL.logits, 1e-6),
        gradients=REAL.gradients | {"key.bias": 3e-9 * np.ones((6, 5))},
        end=moved(1e-7) | {"key.bias": REAL.end["key.bias"] - 0.2},
    )
    assert compare(result(), other).agrees


def test_the_first_step_that_differs_is_named():
    lines = [
        line | {"loss": line["loss"] + (0.001 if step > 5 else 0)} for step, line in enumerate(result().steps)
    ]
    found = compare(result(), replace(result("other"), steps=lines))
    (losses,) = (finding for finding in found.findings if finding.name == "losses of 9 steps")
    assert losses.detail == "exceeds it from step 7 on"


def test_where_nothing_is_updated_nothing_is_known():
    sides = [replace(result(name), end=result().start) for name in ("one", "other")]
    found = compare(*sides)
    assert not found.agrees
    assert found.findings[-1].detail == "nothing was updated: train for more steps"
