"""mlm parity."""

from __future__ import annotations

import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.errors import RequestError

_STEPS = 20
"""Enough for an optimizer that differs to show, and done in a minute."""


def run(request: Request) -> dict[str, Any]:
    """Train with two engines, each in a process of its own, and compare what they did."""
    config = Config.from_dict(request.given)
    if config.dropout:
        raise RequestError(
            "must be 0: each framework draws its noise in its own way",
            code="out_of_range",
            option="--dropout",
            value=config.dropout,
            fix="leave it out",
        )
    backends = _backends(request.arguments["backends"])
    config = replace(config, dropout=0.0, max_steps=config.max_steps or _steps(config))
    from mlm_core.parity.comparison import compare
    from mlm_core.parity.process import work_apart
    from mlm_core.parity.worker import read_side
    from mlm_core.progress import Progress

    progress = Progress.of(config)
    # As an exception it ends the other process, too, and removes what was written.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="mlm-parity-") as scratch:
        sides = []
        for backend in backends:
            directory = Path(scratch) / backend
            with progress.phase(f"{backend} is training"):
                work_apart(backend, config, directory)
            sides.append(read_side(backend, directory))
        return compare(*sides).as_dict()


_BEFORE = "before the first step: please report it, with this table and the command"
_FORWARD = ("batches received", "masked tokens", "learning rates", "starting weights", "first loss", "logits")
_HINTS = {
    **dict.fromkeys(_FORWARD, f"that is {_BEFORE}"),
    "gradients": f"forward passes agree, the way back does not, {_BEFORE}",
}
_LATER = (
    "all that comes before the first update agrees. Either the optimizer is another, or rounding has grown: "
    "at a rate so high that losses jump it does; try a lower --learning-rate or fewer --max-steps"
)


def _steps(config: Config) -> int | None:
    """A few, unless a number of epochs was asked for."""
    return None if config.epochs is not None else _STEPS


def _backends(written: str | None) -> list[str]:
    from mlm_core.registry import engines, find_engine

    if written is None:
        names = sorted((name for name, engine in engines().items() if engine.available()), reverse=True)
    else:
        names = [find_engine(name).name for name in written.split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise RequestError(
            "two different backends are compared",
            code="out_of_range",
            option="--backends",
            value=",".join(names) or None,
            fix="write them as torch,tf; mlm doctor says what is missing",
        )
    return names


def exit_code(results: dict[str, Any]) -> int:
    """0 where the engines agree, else 1."""
    return 0 if results["agrees"] else 1


def show(results: dict[str, Any]) -> None:
    """Print a table and the verdict."""
    one, other = results["backends"]
    print(f"{'':22} {'difference':>12} {'tolerance':>10}")
    for finding in results["findings"]:
        print(_row(finding))
    if results["agrees"]:
        print(f"{one} and {other} agree")
        return
    first = next(finding for finding in results["findings"] if not finding["agrees"])
    print(f"{one} and {other} DIFFER, first in: {first['name']}")
    print(_HINTS.get(first["name"], _LATER))


def _row(finding: dict[str, Any]) -> str:
    difference = finding["difference"]
    if difference is None:
        shown = "not finite"
    elif finding["tolerance"] == 0:
        shown = "none" if difference == 0 else f"{difference:.0f} unlike"
    else:
        shown = f"{difference:.1e}"
    tolerance = "exact" if finding["tolerance"] == 0 else f"{finding['tolerance']:.0e}"
    mark = "  " if finding["agrees"] else "! "
    return f"{mark}{finding['name']:20} {shown:>12} {tolerance:>10}  {finding['detail']}".rstrip()
