"""What a run's directory says: its record, and which engine opens its model here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.engine import Engine


def facts_of(directory: Path) -> dict[str, Any]:
    """The content of a run's `run.json`.

    Raises:
        RequestError: the directory holds no run, or its record is damaged.
    """
    from mlm_core.training.run_record import read_facts

    facts = read_facts(directory)
    if facts is not None:
        return facts
    raise RequestError(
        "is not a run" if directory.is_dir() else "no such directory",
        code="not_a_run",
        option="RUN",
        value=str(directory),
        fix="give the directory of a run; for another model, use load_engine().predictor(...)",
    )


def engine_for(directory: Path, backend: str | None) -> Engine:
    """The engine that opens a run's model in this process, which is prepared for it.

    Args:
        directory: of the run.
        backend: the name of an engine; None: the one that trained the run, if this process can work with it.

    Raises:
        RequestError: the engine is not installed, or there is no run.
        RunError: this process works with another engine.
    """
    from mlm_core.registry import engine_here, load_engine

    if backend is not None:
        return load_engine(backend)
    results = facts_of(directory).get("results") or {}
    recorded = results.get("backend")
    return engine_here(recorded if isinstance(recorded, str) else None)
