"""mlm parity."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import Any

from mlm_core.cli.request import Request
from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.system.scratch import scratch_directory

_STEPS = 20
"""Enough steps to reveal a different optimizer, and few enough for a minute."""


def run(request: Request) -> dict[str, Any]:
    """Train with two engines, each in its own process, and compare their results."""
    config = Config.from_dict(request.given)
    if config.dropout:
        raise RequestError(
            "must be 0: each framework draws its own dropout noise",
            code="out_of_range",
            option="--dropout",
            value=config.dropout,
            fix="leave it out",
        )
    backends = _backends(request.arguments["backends"])
    config = replace(config, dropout=0.0, max_steps=config.max_steps or _steps(config))
    from mlm_core.parity.comparison import compare
    from mlm_core.parity.process import run_worker
    from mlm_core.parity.worker import read_result
    from mlm_core.progress import Progress
    from mlm_core.training.crowding import warn_of_crowding

    progress = Progress.of(config)
    warn_of_crowding(config, progress)
    # As an exception, SIGTERM also ends the other process and removes the temporary files.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with scratch_directory("parity", progress.say) as scratch:
        results = []
        for backend in backends:
            directory, shown = scratch / backend, f"{backend} is training"
            with progress.running(shown, config.max_steps) as reached:
                run_worker(backend, config, directory, reached)
            results.append(read_result(backend, directory))
        return compare(*results).as_dict()


_BEFORE = "before the first update; please report it with this table and the command"
_FORWARD = ("batches received", "masked tokens", "learning rates", "starting weights", "first loss", "logits")
_HINTS = {
    **dict.fromkeys(_FORWARD, f"the engines differ {_BEFORE}"),
    "gradients": f"the forward passes agree, the backward passes differ {_BEFORE}",
}
_LATER = (
    "everything before the first update agrees. Either the optimizers differ, or rounding differences have "
    "grown, which happens if the learning rate is so high that losses jump; try a lower --learning-rate or "
    "fewer --max-steps"
)


def _steps(config: Config) -> int | None:
    """A few steps, unless the user gave a number of epochs."""
    return None if config.epochs is not None else _STEPS


def _backends(written: str | None) -> list[str]:
    from mlm_core.registry import engines, find_engine

    if written is None:
        names = sorted((name for name, engine in engines().items() if engine.available()), reverse=True)
    else:
        names = [find_engine(name).name for name in written.split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise RequestError(
            "parity needs two different backends",
            code="out_of_range",
            option="--backends",
            value=",".join(names) or None,
            fix="give two, for example torch,tf; mlm doctor shows what is missing",
        )
    return names


def exit_code(results: dict[str, Any]) -> int:
    """0 if the engines agree, else 1."""
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
        shown = "none" if difference == 0 else f"{difference:.0f} differ"
    else:
        shown = f"{difference:.1e}"
    tolerance = "exact" if finding["tolerance"] == 0 else f"{finding['tolerance']:.0e}"
    mark = "  " if finding["agrees"] else "! "
    return f"{mark}{finding['name']:20} {shown:>12} {tolerance:>10}  {finding['detail']}".rstrip()
