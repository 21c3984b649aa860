"""The program that times sums over ranks, with few numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).parents[2] / "benchmarks" / "ranks" / "communication_worker.py"


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_a_sum_over_two_ranks_is_timed(backend):
    command = [sys.executable, str(WORKER), backend, "2", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout.split()[-1]) < 60
