"""The contract suite on the device."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from settings import ROOT, Deadline, Settings

TESTS = (
    "tests/contract/test_model.py",
    "tests/contract/test_optimizer.py",
    "tests/contract/test_training.py",
    "tests/contract/test_training_errors.py",
    "tests/contract/test_dropout.py",
    "tests/contract/test_precision.py",
    "tests/contract/test_attention.py",
    "tests/contract/test_late_steps.py",
    "tests/contract/test_recorded_steps.py",
    "tests/contract/test_starting_weights.py",
    "tests/contract/test_resume.py::test_on_a_gpu_a_resumed_run_is_the_same_but_for_rounding",
)
"""What computes on `--device`, and is over in two minutes. `TESTS=tests/contract` runs the whole suite."""

PROCESSES = 8
"""That pytest-xdist, where it is installed, divides the tests among."""


class Contract:
    """The suite of one engine, in a process of its own, running.

    Args:
        engine: "torch" or "tf".
        settings: where to, and on which device.
    """

    def __init__(self, engine: str, settings: Settings) -> None:
        self.engine = engine
        self._path = settings.out / f"contract_{engine}.txt"
        self._begun = time.perf_counter()
        # As many processes as the GPU has room for would be too many for a CPU.
        several = ["-n", str(PROCESSES)] if settings.gpu and find_spec("xdist") else []
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *several]
        tests = os.environ.get("TESTS", " ".join(TESTS)).split()
        with self._path.open("w", encoding="utf-8") as printed:
            self._process = subprocess.Popen(
                [*command, *tests, "--backend", engine, "--device", settings.device],
                stdout=printed, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    def outcome(self, deadline: Deadline) -> dict[str, Any]:
        """How many tests passed, failed and were skipped, and which failed.

        Past the deadline the suite is killed, and `problem` says so.
        """
        facts: dict[str, Any] = {"engine": self.engine}
        try:
            facts["exit_code"] = self._process.wait(timeout=deadline.left)
        except subprocess.TimeoutExpired:
            facts["problem"] = "cut: out of time"
            self.end()
        facts["seconds"] = time.perf_counter() - self._begun
        return facts | counts(self._path)

    def end(self) -> None:
        """Kill it, and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def counts(printed: Path) -> dict[str, Any]:
    """What pytest's last line says, and the tests that failed."""
    lines = printed.read_text(encoding="utf-8", errors="replace").splitlines()
    last = lines[-1] if lines else ""
    said = {name: int(number) for number, name in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}
    bad = [line[:200] for line in lines if line.startswith(("FAILED", "ERROR"))]
    numbers = {name: said.get(name, 0) for name in ("passed", "failed", "skipped")}
    return numbers | {"bad": bad, "last": last[:200]}
