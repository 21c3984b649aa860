"""The contract suite, once per engine, each in a process of its own: a process holds one framework."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_contract(backend, tmp_path):
    suite = Path(__file__).parent / "contract"
    command = [sys.executable, "-m", "pytest", str(suite), "--backend", backend]
    done = subprocess.run(
        [*command, "--basetemp", str(tmp_path / "inner")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"MLM_CACHE": str(tmp_path / "cache")},
        check=False,
    )
    print(done.stdout[-20_000:])
    assert done.returncode == 0
    assert " passed" in done.stdout.splitlines()[-1]
