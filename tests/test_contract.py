"""The contract suite, once per engine, each in a process of its own: a process holds one framework.

The two run side by side: each keeps little more than one core busy.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BACKENDS = ("torch", "tf")


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    """Both suites, running, and the files that they print to."""
    started = {}
    for backend in BACKENDS:
        directory = tmp_path_factory.mktemp(backend)
        command = [sys.executable, "-m", "pytest", str(Path(__file__).parent / "contract")]
        with (directory / "printed").open("w") as printed:
            process = subprocess.Popen(
                [*command, "--backend", backend, "--basetemp", str(directory / "inner")],
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=os.environ | {"MLM_CACHE": str(directory / "cache")},
            )
        started[backend] = (process, directory / "printed")
    yield started
    for process, _ in started.values():
        process.kill()


@pytest.mark.parametrize("backend", BACKENDS)
def test_contract(backend, suites):
    process, printed = suites[backend]
    code = process.wait()
    lines = printed.read_text(encoding="utf-8", errors="replace")
    print(lines[-20_000:])
    assert code == 0
    assert " passed" in lines.splitlines()[-1]
