"""Fixtures of the contract suite: the engine under test and tiny runs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
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
    try:
        _engine = load_engine(session.config.getoption("--backend"))
        _engine.check_device(session.config.getoption("--device"))
    except MlmError as error:
        pytest.exit(str(error), returncode=2)


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
    module.compute_on(device, THREADS)
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
        return path if path.exists() else write_model(path, family, **options)

    def config(self, **options: object) -> Config:
        self._runs += 1
        chosen: dict = {
            "dataset": str(self.jsonl),
            "block_size": 16,
            "batch_size": 8,
            "threads": THREADS,
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
        return self.engine.predictor(run, device=self.device, threads=THREADS)


@pytest.fixture(scope="session")
def lab(
    engine: Engine, device: Device, jsonl: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    yield Lab(engine, device, jsonl, tmp_path_factory.mktemp("lab"))
