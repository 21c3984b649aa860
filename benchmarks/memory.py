"""How much memory a process and its children take, in MB (1e6 bytes), as the Linux kernel counts it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.02
"""Seconds between two samples."""

_KILOBYTES = {"VmRSS": 0, "RssAnon": 0}


@dataclass
class TreePeak:
    """The most that a command and all of its children held at once.

    Attributes:
        total: MB of resident memory, pages of mapped files included. Shared pages count once per process.
        anonymous: MB without the pages of files, which the kernel can take back at any time.
        processes: the largest number of processes at once.
        seconds: how long the command took.
    """

    total: float = 0.0
    anonymous: float = 0.0
    processes: int = 0
    seconds: float = 0.0

    def sample(self, root: int) -> None:
        """Note what a process and all below it hold at this moment."""
        facts = [_status(str(process)) for process in _tree(root)]
        self.total = max(self.total, sum(found["VmRSS"] for found in facts) * 1024 / 1e6)
        self.anonymous = max(self.anonymous, sum(found["RssAnon"] for found in facts) * 1024 / 1e6)
        self.processes = max(self.processes, len(facts))


def peak_of(command: Sequence[str], environment: Mapping[str, str]) -> TreePeak:
    """Run a command and sample its memory.

    Raises:
        SystemExit: the command failed; quotes the last line it printed.
    """
    peak, begun = TreePeak(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        while process.poll() is None:
            peak.sample(process.pid)
            time.sleep(_PAUSE)
        peak.seconds = time.perf_counter() - begun
        if process.returncode != 0:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)}: {(log.read().strip().splitlines() or ['?'])[-1]}")
    return peak


def _tree(root: int) -> list[int]:
    """The numbers of a process and of all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            # The fields after the command's name, which is in brackets: state, parent, ...
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def _status(process: str) -> dict[str, int]:
    """Memory of a process in kilobytes, by name; zeros if the process has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return dict(_KILOBYTES)
    facts = dict(line.split(":", 1) for line in lines)
    return {name: int(facts.get(name, "0").split()[0]) for name in _KILOBYTES}
