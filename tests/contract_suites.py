"""The contract suite of one engine, in processes of its own: in one rank, and then in two."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

RANKS = (1, 2)
"""The suites, one after the other: three and more at once would wait for two processors."""


class ContractSuites:
    """The suites of an engine, which begin at once, beside other tests.

    Args:
        backend: the engine.
        directory: for what they write and print.
    """

    def __init__(self, backend: str, directory: Path) -> None:
        self._backend = backend
        self._directory = directory
        self._codes: dict[int, int] = {}
        self._ended = {ranks: threading.Event() for ranks in RANKS}
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def outcome(self, ranks: int) -> tuple[int, str]:
        """Wait for a suite; its exit code, and what it printed."""
        self._ended[ranks].wait()
        printed = self._printed(ranks).read_text(encoding="utf-8", errors="replace")
        return self._codes[ranks], printed

    def stop(self) -> None:
        """End what still runs."""
        self._stopped = True
        if self._running is not None:
            self._running.kill()

    def _run(self) -> None:
        for ranks in RANKS:
            if not self._stopped:
                with self._printed(ranks).open("w") as printed:
                    self._running = self._start(ranks, printed)
                    self._codes[ranks] = self._running.wait()
            self._ended[ranks].set()

    def _printed(self, ranks: int) -> Path:
        return self._directory / f"printed-{ranks}"

    def _start(self, ranks: int, printed) -> subprocess.Popen[bytes]:
        words = ["--backend", self._backend, "--ranks", str(ranks)]
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", str(Path(__file__).parent / "contract"), *words),
                *("--basetemp", str(self._directory / f"inner-{ranks}")),
            ],
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=os.environ | {"MLM_CACHE": str(self._directory / f"cache-{ranks}")},
        )
