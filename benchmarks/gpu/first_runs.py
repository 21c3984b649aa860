"""The facts of the first two runs, in the form in which the program writes them now.

They were written by a forerunner of this program, at commit 04ab02a, with other names (see the README.md
beside them). Each variant was measured once. The wall time of its traces includes the profiler's own start,
so `busy` is computed anew, from the kernels' time and the step without a profiler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from facts import Fact
from peak import mfu
from shapes import shape_of, size_of

COMMIT = "04ab02a"
_OWNERS = {"guide": "recipe", "mlm": "mlm"}
_LETTERS = {"f": ("float32", []), "t": ("tf32", []), "b": ("bf16", []), "c": ("bf16", ["compile"])}
_LONG = {"bert512": "bert", "modern512": "modern"}
_TRACES = {"prof16": "16x128", "prof256": "256x128", "profmodern": "modern"}
_FLAGS = {"pad": "padded", "compile": "compile", "graph": "graph", "cudnn": "cudnn"}


def translated(facts: Iterable[Fact]) -> list[Fact]:
    """Facts in the form of now; what has no counterpart is left out."""
    found = list(facts)
    card = next((fact["card"] for fact in found if "card" in fact), "")
    steps = {fact["name"]: fact["ms"] for fact in found if fact["fact"] == "step"}
    made: list[Fact] = [{"fact": "run", "card": card, "commit": COMMIT}]
    for fact in found:
        make = _MAKERS.get(fact["fact"])
        if make is not None:
            made += make(fact, card, steps)
    return made


def _same(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    yield fact


def _step(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    if fact["name"] in _LONG:
        owner, size, precision, options = "mlm", _LONG[fact["name"]], "bf16", []
    else:
        matched = re.fullmatch(r"(guide|mlm)(\d+)([ftbc])", fact["name"])
        assert matched is not None
        owner, size = _OWNERS[matched[1]], f"{matched[2]}x128"
        precision, options = _LETTERS[matched[3]]
    yield _measured(fact, card, owner, size, precision, options)


def _proto(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    yield _measured(fact, card, "bare", _size(fact), "bf16", _options(fact))


def _ceiling(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    flags = fact["flags"]
    if "nodrop" in flags or "problem" in fact:
        return
    precision = next((flag for flag in flags if flag in ("float32", "tf32")), "bf16")
    options = [option for flag, option in _FLAGS.items() if flag in flags]
    if fact["model"] == "modern":
        # Its vocabulary is a multiple of 64 as it is.
        options.remove("padded")
    yield _measured(fact, card, "bare", _size(fact), precision, options)


def _measured(fact: Fact, card: str, owner: str, size: str, precision: str, options: list[str]) -> Fact:
    kept = {
        name: fact[name] for name in ("ms", "low", "high", "tokens_per_second", "peak_gb") if name in fact
    }
    named = {"owner": owner, "engine": "torch", "size": size, "precision": precision, "options": options}
    shape = shape_of(size_of(size), padded="padded" in options)
    used = mfu(card, precision, fact["tokens_per_second"], size_of(size), shape)
    return {"fact": "step", **named, **kept, **used}


def _trace(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    size = _TRACES[fact["name"]]
    step = steps[{"16x128": "mlm16b", "256x128": "mlm256b", "modern": "modern512"}[size]]
    kernels = fact["gpu_busy"] * fact["wall_ms"]
    named = {"owner": "mlm", "engine": "torch", "size": size, "precision": "bf16", "options": []}
    kept = {name: fact[name] for name in ("launches", "graphs", "syncs", "copies", "top")}
    yield {"fact": "trace", **named, **kept, "step_ms": step, "kernels_ms": kernels, "busy": kernels / step}


def _noise(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    # ModernBERT had no dropout.
    if fact["model"] != "modern":
        yield {"fact": "graph_noise", **{name: fact[name] for name in ("same", "other", "losses")}}


def _matmul(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    yield {"fact": "matmul", "shape": fact["shape"], "tflops": fact["tflops"]}


def _attention(fact: Fact, card: str, steps: dict[str, float]) -> Iterator[Fact]:
    named = {"backend": fact["backend"], "batch": fact["B"], "block": fact["S"], "dropout": fact["dropout"]}
    yield {"fact": "attention", **named, "forward_ms": fact["fwd_ms"], "both_ms": fact["fwd_bwd_ms"]}


def _size(fact: Fact) -> str:
    return f"{fact['B']}x128" if fact["model"] == "distil" else str(fact["model"])


def _options(fact: Fact) -> list[str]:
    return [option for option, word in (("compile", "compiled"), ("graph", "graph")) if word in fact["name"]]


_MAKERS: dict[str, Callable[[Fact, str, dict[str, Any]], Iterator[Fact]]] = {
    "versions": _same,
    "repeat_bf16_dropout": _same,
    "gpu_and_cpu_float32": _same,
    "step": _step,
    "proto": _proto,
    "ceiling": _ceiling,
    "profile": _trace,
    "graph_noise_is_keyed": _noise,
    "gemm": _matmul,
    "sdpa": _attention,
    "launch_us": lambda fact, card, steps: iter([{"fact": "launch", "us": fact["add"]}]),
    "copy_tbs": lambda fact, card, steps: iter([{"fact": "copy", "tb_per_second": fact["rw"]}]),
}
