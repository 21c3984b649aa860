"""Fixtures for every suite. `--backend` and `--device` choose what the contract suite is about."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from contract_suites import ContractSuites

os.environ["HF_HUB_OFFLINE"] = "1"
# Several suites share the processors: threads that wait by spinning would keep the others from working, and
# make three suites side by side six times as slow.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", help="engine under contract, for tests/contract")
    parser.addoption(
        "--device", choices=("cpu", "gpu"), default="cpu", help="where it computes, for tests/contract"
    )
    parser.addoption(
        "--ranks", type=int, default=1, help="processes that train together, for tests/contract; see ranks.py"
    )
    parser.addoption("--other-python", help="interpreter of another environment, for tests/environments")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # The contract suite runs once per engine, in a process of its own (see tests/test_contract.py).
    if collection_path.name == "contract" and config.getoption("--backend") is None:
        return True
    if collection_path.name == "environments" and config.getoption("--other-python") is None:
        return True
    return None


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared blocks of this test run, away from the user's."""
    directory = tmp_path_factory.mktemp("cache")
    os.environ["MLM_CACHE"] = str(directory)
    return directory


_BACKENDS = ("torch", "tf")


@pytest.fixture(scope="session", autouse=True)
def contract_suites(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ContractSuites]]:
    """Where `tests/test_contract.py` is asked for, the suites of both engines.

    They begin with the session and run beside the other tests, each of which keeps little more than one core
    busy.
    """
    wanted = any(item.path.name == "test_contract.py" for item in request.session.items)
    started = {
        backend: ContractSuites(backend, tmp_path_factory.mktemp(backend))
        for backend in (_BACKENDS if wanted else ())
    }
    yield started
    for suites in started.values():
        suites.stop()


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Commands that run in this process may set variables for themselves; the next test has none of them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def jsonl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 short documents as JSON lines."""
    from tiny_models import sentences

    path = tmp_path_factory.mktemp("data") / "documents.jsonl"
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(sentences(120))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
