"""Fixtures of the contract suite: the engine under test and tiny runs.

With `--ranks N` the tests marked `any_ranks` run in N processes at once, which train every run together.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from suite_ranks import end_ranks, shared_directory, start_ranks
from tiny_models import write_model

from mlm_core import Config, load_engine
from mlm_core.config.runtime import Device
from mlm_core.engine import Engine
from mlm_core.errors import MlmError
from mlm_core.trainer import Trainer
from mlm_core.training.results import TrainingResult

THREADS = 2
"""The same for every test: TensorFlow cannot change it in a running process."""

_engine: Engine | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    # A missing engine or device fails the run; nothing is skipped.
    global _engine
    backend, ranks = session.config.getoption("--backend"), session.config.getoption("--ranks")
    if ranks > 1:
        start_ranks(session.config, backend, ranks)
    try:
        _engine = load_engine(backend)
        _engine.check_device(session.config.getoption("--device"))
        _engine.join(Config(threads=THREADS // ranks, device=session.config.getoption("--device")))
    except MlmError as error:
        pytest.exit(str(error), returncode=2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    several, torch = config.getoption("--ranks") > 1, config.getoption("--backend") == "torch"

    def is_run(item: pytest.Item) -> bool:
        marks = {mark.name for mark in item.iter_markers()}
        if several:
            # Chosen by a mark, so that what cannot run in several ranks is not run there by accident.
            return "any_ranks" in marks and "one_rank" not in marks
        return torch or "one_engine" not in marks

    config.hook.pytest_deselected(items=[item for item in items if not is_run(item)])
    items[:] = [item for item in items if is_run(item)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    end_ranks(session)


@pytest.fixture(scope="session")
def engine() -> Engine:
    assert _engine is not None
    return _engine


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> Device:
    """The device of every test that names no other."""
    return pytestconfig.getoption("--device")


@pytest.fixture(scope="session")
def numpy_engine(engine: Engine, device: Device) -> ModuleType:
    """The engine's functions with numpy arguments and results; see tests/contract/numpy_engine_*.py."""
    module = importlib.import_module(f"numpy_engine_{engine.name}")
    module.compute_on(device, THREADS // engine.ranks.count)
    return module


class Lab:
    """Trains tiny models on tiny data."""

    def __init__(self, engine: Engine, device: Device, jsonl: Path, directory: Path) -> None:
        self.engine = engine
        self.device = device
        self.jsonl = jsonl
        self.directory = directory
        self._runs = 0

    def model(self, family: str, **options: object) -> Path:
        name = "-".join([family, *(f"{key}{value}" for key, value in sorted(options.items()))])
        path = self.directory / name
        return self.engine.ranks.in_turn(
            lambda: path if path.exists() else write_model(path, family, **options)
        )

    def config(self, **options: object) -> Config:
        self._runs += 1
        chosen: dict = {
            "dataset": str(self.jsonl),
            "block_size": 16,
            "batch_size": 8,
            "threads": THREADS // self.engine.ranks.count,
            "device": self.device,
            # The default on a GPU is not to verify.
            "verify_batches": True,
            "quiet": True,
            "output_dir": str(self.directory / f"run-{self._runs}"),
        }
        return Config(**(chosen | options))

    def trainer(self, **options: object) -> Trainer:
        return self.engine.trainer(self.config(**options))

    def train(self, **options: object) -> TrainingResult:
        return self.trainer(**options).train()

    def predictor(self, run: Path):
        return self.engine.predictor(run, device=self.device, threads=THREADS // self.engine.ranks.count)


@pytest.fixture(scope="session")
def lab(
    engine: Engine, device: Device, jsonl: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    yield Lab(engine, device, jsonl, shared_directory() or tmp_path_factory.mktemp("lab"))
