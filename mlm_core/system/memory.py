"""How much memory a process can still take."""

from __future__ import annotations

import sys
from pathlib import Path

_FACTS = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that this process can still take, swap included; None where unknown.

    The least of what the machine has free, what the process's control group may still take, and what its own
    limit leaves.
    """
    known = [number for number in (_of_machine(), _of_group(), _of_process()) if number is not None]
    return max(0, min(known)) if known else None


def _of_machine() -> int | None:
    if sys.platform != "linux":
        try:
            import psutil
        except ImportError:
            return None
        return int(psutil.virtual_memory().available + psutil.swap_memory().free)
    facts = _numbers(_FACTS)
    if "MemAvailable" not in facts:
        return None
    # /proc/meminfo counts in units of 1024 bytes.
    return 1024 * (facts["MemAvailable"] + facts.get("SwapFree", 0))


def _of_group() -> int | None:
    """What a container may still take: pages of files that are not in use are given back on demand."""
    try:
        limit = int((_GROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_GROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        # No control group of this kind, or no limit ("max").
        return None
    return limit - used + _numbers(_GROUP / "memory.stat").get("inactive_file", 0)


def _of_process() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    return limit - 1024 * _numbers(Path("/proc/self/status")).get("VmSize", 0)


def _numbers(path: Path) -> dict[str, int]:
    """The numbers of a file of the kernel, by name; other lines are left out."""
    try:
        lines = [line.replace(":", " ").split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdecimal()}
