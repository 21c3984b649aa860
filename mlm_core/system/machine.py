"""What this machine offers: its operating system, processor and memory."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

from mlm_core.errors import RequestError

_CPU_FACTS = Path("/proc/cpuinfo")
_FAST_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of x86 and Arm processors with instructions that multiply bfloat16 numbers."""


def check_system() -> None:
    """Refuse Windows: it cannot lock a directory, sync one to disk, or move one to an empty one's place.

    Raises:
        RequestError: this is Windows.
    """
    if sys.platform == "win32":
        raise RequestError(
            "mlm runs on Linux and macOS, not on Windows",
            code="unsupported_system",
            fix="use WSL 2, the Windows Subsystem for Linux",
        )


def cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_fast_bf16() -> bool:
    """Whether the processor has instructions that multiply bfloat16 numbers; False where unknown."""
    return any(_FAST_BF16 & set(flags.split()) for flags in _linux_facts("flags", "Features"))


def processor_name() -> str:
    """The processor's own name; where unknown, the name of its architecture."""
    named = _linux_facts("model name")
    if named:
        return named[0]
    return _name_elsewhere() or platform.processor() or platform.machine()


def processor_maker() -> str | None:
    """The processor's maker as x86 spells it, for example AuthenticAMD; None where unknown."""
    named = _linux_facts("vendor_id")
    return named[0] if named else None


def _linux_facts(*names: str) -> list[str]:
    """What Linux reports under these names, one value per processor; empty on other systems."""
    try:
        lines = _CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith(names)]


@cache
def _name_elsewhere() -> str | None:
    """The processor's name on systems other than Linux, from py-cpuinfo.

    Not on Linux: py-cpuinfo 9.0 needs 1.1 s and starts processes; reading /proc/cpuinfo takes 0.1 ms.
    """
    if sys.platform == "linux":
        return None
    from cpuinfo import get_cpu_info

    name = get_cpu_info().get("brand_raw")
    return None if name is None else str(name)


def processor_seconds(process: int) -> float | None:
    """Processor time that the threads of another process have used so far, in seconds; None where unknown."""
    if sys.platform != "linux":
        return _seconds_elsewhere(process)
    try:
        # Per thread, in nanoseconds. The count per process, which psutil reads, is in hundredths of a second.
        threads = list(Path(f"/proc/{process}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except (OSError, IndexError):
        return None


def _seconds_elsewhere(process: int) -> float | None:
    import psutil

    try:
        times = psutil.Process(process).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


def peak_memory() -> float:
    """The most memory that this process has held at once, in MB, including pages of mapped files."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        # Late: Windows has no such module, and the command must start there to say so.
        import resource

        # The kernel starts this count at what the parent process held.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
