"""The other ranks of a contract suite with `--ranks N`: the same suite, in step with this one.

Each rank runs the same tests in the same order, so that they meet in every training. The outcome is the first
rank's; the others must come to their end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rank_group import free_ports, rank_environment

_DIRECTORY, _PRINTED = "MLM_TEST_LAB", "printed-{}"
_PATIENCE = 60.0
_started: dict[int, subprocess.Popen[bytes]] = {}


def shared_directory() -> Path | None:
    """The directory of the runs of all ranks; None: there is one rank."""
    found = os.environ.get(_DIRECTORY)
    return Path(found) if found else None


def start_ranks(config: pytest.Config, backend: str, count: int) -> None:
    """Make this process the first rank, and start the others; in one of those, without effect."""
    if _DIRECTORY in os.environ:
        return
    directory, ports = Path(tempfile.mkdtemp(prefix="mlm-ranks-")), free_ports(count)
    os.environ[_DIRECTORY] = str(directory)
    for rank in range(1, count):
        with (directory / _PRINTED.format(rank)).open("w") as printed:
            _started[rank] = subprocess.Popen(
                [sys.executable, "-m", "pytest", *_words(config), "-p", "no:cacheprovider"],
                cwd=config.invocation_params.dir,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=os.environ
                | rank_environment(backend, rank, ports)
                | {"PYTEST_DEBUG_TEMPROOT": str(directory)},
            )
    os.environ.update(rank_environment(backend, 0, ports))


def _words(config: pytest.Config) -> list[str]:
    """The command line without `--basetemp`: another rank's directories are its own."""
    words = [str(word) for word in config.invocation_params.args]
    if "--basetemp" in words:
        place = words.index("--basetemp")
        del words[place : place + 2]
    return words


def end_ranks(session: pytest.Session) -> None:
    """Wait for the other ranks; if one does not end well, the suite has failed."""
    for rank, process in _started.items():
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code or session.exitstatus:
            printed = shared_directory() / _PRINTED.format(rank)
            print(f"\nrank {rank} ended with {code}:\n{printed.read_text(errors='replace')[-6000:]}")
            session.exitstatus = session.exitstatus or 1
    if _started:
        shutil.rmtree(shared_directory(), ignore_errors=True)
