"""Compares the results of two engines: how far apart they are, and whether that is rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.metrics.json_values import finite
from mlm_core.model.initialization import Weights
from mlm_core.parity.worker import EngineResult
from mlm_core.visible import quantity

LOSS, LOGITS, GRADIENT, UPDATE = 1e-4, 1e-4, 1e-4, 1e-3
"""Tolerances of a loss (relative), of logits (absolute), and of a parameter's gradient and all parameters'
total update (L2 norm of the difference over the norm). Float32 rounding in another order stays a factor of
ten or more below. An epsilon in another place, or a norm computed in another way, exceeds them."""

ACCURACY = 0.005
"""Tolerance of the accuracy (absolute): of two equally likely tokens, either one may rank first."""

_NOISE = 1e-5
"""A parameter's gradient is float32 rounding noise if its root mean square is below this share of the root
mean square of all gradients together. Attention's key bias is an example: its exact gradient is 0. Adam turns
such noise into full steps. In the starter, sums over a batch leave up to 1e-6; every other parameter has
0.3 and more."""


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Attributes:
        name: what was compared.
        difference: the difference; None if it is not finite.
        tolerance: the largest allowed difference; 0: the bits must be equal.
        agrees: whether the difference is within the tolerance.
        detail: where the difference is greatest, or what was left out.
    """

    name: str
    difference: float | None
    tolerance: float
    agrees: bool
    detail: str = ""


@dataclass(frozen=True)
class Comparison:
    """All findings on two engines.

    Attributes:
        backends: the two engines.
        findings: in the order of a training run, so that the first disagreement is nearest to the cause.
    """

    backends: tuple[str, str]
    findings: tuple[Finding, ...]

    @property
    def agrees(self) -> bool:
        """Whether every finding agrees."""
        return all(finding.agrees for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "backends": list(self.backends),
            "agrees": self.agrees,
            "findings": [asdict(finding) for finding in self.findings],
        }


def compare(one: EngineResult, other: EngineResult) -> Comparison:
    """Compare everything that two engines received and computed, in the order of a run."""
    if [len(one.steps), len(one.evaluations)] != [len(other.steps), len(other.evaluations)]:
        counts = f"{quantity(len(one.steps), 'step')} and {len(other.steps)}"
        return Comparison(
            (one.backend, other.backend), (Finding("length of the run", None, 0.0, False, counts),)
        )
    checks: list[Callable[[EngineResult, EngineResult], Finding]] = [
        _batches,
        _masked_tokens,
        _learning_rates,
        _starting_weights,
        _first_loss,
        _logits,
        _gradients,
        _losses,
        _gradient_norms,
        _held_out,
        _accuracy,
        _update,
    ]
    return Comparison((one.backend, other.backend), tuple(check(one, other) for check in checks))


def _batches(one: EngineResult, other: EngineResult) -> Finding:
    return _same_lines("batches received", "batch_digest", one, other)


def _masked_tokens(one: EngineResult, other: EngineResult) -> Finding:
    found = _same_lines("masked tokens", "masked_tokens", one, other)
    held_out = [[line["eval_masked_tokens"] for line in result.evaluations] for result in (one, other)]
    if held_out[0] == held_out[1]:
        return found
    return Finding(found.name, found.difference, 0.0, False, "they differ in the held-out text")


def _learning_rates(one: EngineResult, other: EngineResult) -> Finding:
    return _same_lines("learning rates", "learning_rate", one, other)


def _same_lines(name: str, key: str, one: EngineResult, other: EngineResult) -> Finding:
    pairs = [(first[key], second[key]) for first, second in zip(one.steps, other.steps, strict=True)]
    differing = [step for step, (first, second) in enumerate(pairs, 1) if first is None or first != second]
    detail = (
        f"first difference at step {differing[0]}" if differing else f"{len(pairs)} of {len(pairs)} the same"
    )
    return Finding(name, float(len(differing)), 0.0, not differing, detail)


def _starting_weights(one: EngineResult, other: EngineResult) -> Finding:
    names = {*one.start, *other.start}
    differing = sorted(
        name
        for name in names
        if name not in one.start
        or name not in other.start
        or not np.array_equal(one.start[name], other.start[name])
    )
    detail = f"for example {differing[0]}" if differing else f"{len(names)} of {len(names)} the same"
    return Finding("starting weights", float(len(differing)), 0.0, not differing, detail)


def _first_loss(one: EngineResult, other: EngineResult) -> Finding:
    return _within("first loss", _relative(one.sums.loss, other.sums.loss), LOSS)


def _logits(one: EngineResult, other: EngineResult) -> Finding:
    if one.logits.shape != other.logits.shape:
        shapes = f"{one.logits.shape} and {other.logits.shape}"
        return Finding("logits", None, LOGITS, False, f"the shapes differ: {shapes}")
    difference = np.abs(one.logits.astype(np.float64) - other.logits).max(initial=0.0)
    return _within("logits", float(difference), LOGITS, f"of up to {np.abs(one.logits).max():.3g}")


def _gradients(one: EngineResult, other: EngineResult) -> Finding:
    differing = sorted(one.gradients.keys() ^ other.gradients.keys())
    differing += [name for name in _shared(one, other) if _shape(one, name) != _shape(other, name)]
    if differing:
        return Finding(
            "gradients", None, GRADIENT, False, f"only one engine has {differing[0]}, or its shapes differ"
        )
    noise = _noise(one, other)
    apart = {
        name: _norm(array - other.gradients[name]) / max(_norm(array), _norm(other.gradients[name]), 1e-30)
        for name, array in one.gradients.items()
        if name not in noise
    }
    if not apart:
        return Finding("gradients", None, GRADIENT, False, "neither engine has any")
    worst = max(apart, key=lambda name: apart[name])
    return _within("gradients", apart[worst], GRADIENT, f"most in {worst}")


def _losses(one: EngineResult, other: EngineResult) -> Finding:
    return _over_steps(f"losses of {quantity(len(one.steps), 'step')}", "loss", one, other)


def _gradient_norms(one: EngineResult, other: EngineResult) -> Finding:
    return _over_steps("gradient norms", "grad_norm", one, other)


def _over_steps(name: str, key: str, one: EngineResult, other: EngineResult) -> Finding:
    apart = [
        _relative(_number(first[key]), _number(second[key]))
        for first, second in zip(one.steps, other.steps, strict=True)
    ]
    beyond = [step for step, difference in enumerate(apart, 1) if not difference <= LOSS]
    worst = int(np.argmax(apart))
    detail = f"exceeds it from step {beyond[0]} on" if beyond else f"most at step {worst + 1}"
    return _within(name, apart[worst], LOSS, detail)


def _held_out(one: EngineResult, other: EngineResult) -> Finding:
    apart = [
        _relative(_number(first["eval_loss"]), _number(second["eval_loss"]))
        for first, second in zip(one.evaluations, other.evaluations, strict=True)
    ]
    return _within("held-out losses", max(apart), LOSS, quantity(len(apart), "evaluation"))


def _accuracy(one: EngineResult, other: EngineResult) -> Finding:
    apart = [
        abs(_number(first["eval_accuracy"]) - _number(second["eval_accuracy"]))
        for first, second in zip(one.evaluations, other.evaluations, strict=True)
    ]
    return _within("held-out accuracy", max(apart), ACCURACY)


def _update(one: EngineResult, other: EngineResult) -> Finding:
    noise = _noise(one, other)
    kept = [name for name in _shared(one, other) if name not in noise]
    moved = [{name: result.end[name] - result.start[name] for name in kept} for result in (one, other)]
    apart = {name: moved[0][name] - moved[1][name] for name in kept}
    whole = max(_total(moved[0]), _total(moved[1]))
    if whole == 0:
        return Finding("total update", None, UPDATE, False, "nothing was updated: train for more steps")
    difference = _total(apart) / whole
    without = f", without {len(noise)} that have no gradient, for example {noise[0]}" if noise else ""
    return _within("total update", difference, UPDATE, f"{quantity(len(kept), 'parameter')}{without}")


def _shared(one: EngineResult, other: EngineResult) -> list[str]:
    """Parameters that both engines have, before and after training."""
    both = one.gradients.keys() & other.gradients.keys()
    both &= one.start.keys() & one.end.keys() & other.start.keys() & other.end.keys()
    return sorted(name for name in both if one.end[name].shape == other.end[name].shape)


def _shape(result: EngineResult, name: str) -> tuple[int, ...]:
    return result.gradients[name].shape


def _noise(one: EngineResult, other: EngineResult) -> list[str]:
    """Parameters whose gradient is only rounding noise in both engines."""
    floors = [_NOISE * _root_mean_square(result.gradients) for result in (one, other)]
    return [
        name
        for name in _shared(one, other)
        if all(
            _norm(result.gradients[name]) <= floor * result.gradients[name].size ** 0.5
            for result, floor in zip((one, other), floors, strict=True)
        )
    ]


def _within(name: str, difference: float, tolerance: float, detail: str = "") -> Finding:
    # A comparison with nan is false, so nan never agrees.
    return Finding(name, finite(difference), tolerance, bool(difference <= tolerance), detail)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _relative(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-30)


def _norm(array: NDArray[Any]) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def _total(arrays: Mapping[str, NDArray[Any]]) -> float:
    return float(np.sqrt(sum(_norm(array) ** 2 for array in arrays.values())))


def _root_mean_square(arrays: Weights) -> float:
    return float(_total(arrays) / sum(array.size for array in arrays.values()) ** 0.5)
