"""How much memory processes take, in megabytes (1e6 bytes), as the kernel counts it."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.02
"""Seconds between two looks."""

_KILOBYTES = {"VmHWM": 0, "VmRSS": 0, "RssAnon": 0}


def own_peak() -> float:
    """The most that this process has held at once, in MB."""
    # The kernel's ru_maxrss starts at what the process that started this one held.
    facts = _status("self")
    kilobytes = facts["VmHWM"] if facts["VmHWM"] else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / 1e6


@dataclass
class TreePeak:
    """The most that a command and all of its children held at once.

    Attributes:
        total: MB of resident memory, pages of files mapped into memory included, shared ones once for each
            process.
        anonymous: MB without the pages of files, which the kernel can take back at any time.
        processes: the most of them at once.
        seconds: how long the command took.
    """

    total: float = 0.0
    anonymous: float = 0.0
    processes: int = 0
    seconds: float = 0.0

    def look(self, root: int) -> None:
        """Note what the tree below a process, with itself, holds at this moment."""
        facts = [_status(str(process)) for process in _tree(root)]
        self.total = max(self.total, sum(found["VmRSS"] for found in facts) * 1024 / 1e6)
        self.anonymous = max(self.anonymous, sum(found["RssAnon"] for found in facts) * 1024 / 1e6)
        self.processes = max(self.processes, len(facts))


def peak_of(command: Sequence[str], environment: Mapping[str, str]) -> TreePeak:
    """Run a command and watch it.

    Raises:
        SystemExit: it failed; with the last line it wrote.
    """
    peak, begun = TreePeak(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        while process.poll() is None:
            peak.look(process.pid)
            time.sleep(_PAUSE)
        peak.seconds = time.perf_counter() - begun
        if process.returncode != 0:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: {(said.read().strip().splitlines() or ['?'])[-1]}")
    return peak


def _tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            # After the command's name in brackets: state, parent.
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def _status(process: str) -> dict[str, int]:
    """Kilobytes by name; zeros for a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return dict(_KILOBYTES)
    facts = dict(line.split(":", 1) for line in lines)
    return {name: int(facts.get(name, "0").split()[0]) for name in _KILOBYTES}
