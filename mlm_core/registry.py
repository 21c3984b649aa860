"""Finding engines by name."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.metadata import entry_points

from mlm_core.engine import ALIASES, Engine
from mlm_core.errors import RequestError

GROUP = "mlm.engines"
_PREFERRED = "torch"


def engines() -> dict[str, Engine]:
    """Every registered engine that can be loaded, installed or not, by name; imports no framework."""
    found = {}
    for name in engine_names():
        with suppress(RequestError):
            found[name] = load(name)
    return found


def engine_names() -> list[str]:
    """The names of all registered engines; loads no engine."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find_engine(name: str | None = None) -> Engine:
    """Find the engine for `--backend`: `name`, else `$MLM_BACKEND`, else the only installed one, else torch.

    Raises:
        RequestError: no engine has that name, or its framework is not installed.
    """
    option, chosen = "--backend", name
    if chosen is None and os.environ.get("MLM_BACKEND"):
        option, chosen = "MLM_BACKEND", os.environ["MLM_BACKEND"]
    if chosen is None:
        chosen = _default()
    chosen = ALIASES.get(chosen, chosen)
    if chosen not in engine_names():
        raise RequestError(
            "no such backend",
            code="unknown_backend",
            option=option,
            value=chosen,
            fix=f"choose one of {', '.join(engine_names())}" if engine_names() else "install mlm again",
        )
    engine = load(chosen)
    if not engine.available():
        raise RequestError(
            f"cannot be used: {', '.join(engine.missing())}",
            code="backend_not_installed",
            option=option,
            value=chosen,
            fix=f"install it with {engine.install}",
        )
    return engine


def engine_here(recorded: str | None = None) -> Engine:
    """Find an engine that this process can work with, for a model that any engine opens.

    It is the one of `$MLM_BACKEND`, else the recorded one, else the one that the process has loaded.

    Args:
        recorded: the name of the engine that trained the model; it need not be installed.

    Raises:
        RequestError: no engine is installed; see `find_engine`.
        RunError: this process has loaded transformers for no engine.
    """
    fitting = [name for name, one in engines().items() if one.available() and one.fits_process()]
    if not os.environ.get("MLM_BACKEND") and recorded in fitting:
        return load_engine(recorded)
    chosen = find_engine().name
    return load_engine(chosen if chosen in fitting or not fitting else fitting[0])


def _default() -> str:
    found = engines()
    # An installed engine with an unsupported version is a better guess than an absent one.
    for usable in (Engine.available, Engine.installed):
        names = [name for name, engine in found.items() if usable(engine)]
        if names:
            return names[0] if len(names) == 1 else _PREFERRED
    return _PREFERRED


def load(name: str) -> Engine:
    """Load a registered engine; its framework is not imported.

    Raises:
        RequestError: the engine's package is broken.
    """
    (entry, *_) = entry_points(group=GROUP, name=name)
    try:
        engine: Engine = entry.load()()
    except Exception as error:
        # Third-party code may fail in any way.
        raise RequestError(
            f"is broken ({type(error).__name__}: {error})",
            code="broken_backend",
            option="--backend",
            value=name,
            fix=f"reinstall {entry.dist.name if entry.dist else 'its package'}",
        ) from None
    return engine


def load_engine(name: str | None = None) -> Engine:
    """Find the engine for a backend and prepare this process for its framework.

    For example `load_engine("tf").trainer(Config(...))`. One process works with one framework.

    Raises:
        RequestError: see `find_engine`.
        RunError: this process has loaded transformers for another framework.
    """
    engine = find_engine(name)
    engine.prepare_process()
    return engine
