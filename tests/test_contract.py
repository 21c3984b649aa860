"""The contract suite, once per engine, in a process of its own each: a process can load one framework."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_contract(backend, contract_suites):
    assert_passed(*contract_suites[backend])


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_contract_of_two_ranks(backend, contract_suites, tmp_path):
    """When both suites above have ended: these have two processes each."""
    for process, _ in contract_suites.values():
        process.wait()
    command = [sys.executable, "-m", "pytest", str(Path(__file__).parent / "contract")]
    with (tmp_path / "printed").open("w") as printed:
        process = subprocess.Popen(
            [*command, "--backend", backend, "--ranks", "2", "--basetemp", str(tmp_path / "inner")],
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        assert_passed(process, tmp_path / "printed")


def assert_passed(process, printed):
    code = process.wait()
    lines = printed.read_text(encoding="utf-8", errors="replace")
    print(lines[-20_000:])
    assert code == 0
    assert any(" passed" in line for line in lines.splitlines()[-1:])
