"""What this machine gives us."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

_CPU_FACTS = Path("/proc/cpuinfo")
_FAST_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of x86 and Arm processors that multiply bfloat16 numbers by themselves."""


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_fast_bf16() -> bool:
    """Whether the processor multiplies bfloat16 numbers by itself; False where that cannot be told."""
    return any(_FAST_BF16 & set(flags.split()) for flags in _processor_facts("flags", "Features"))


def processor_name() -> str:
    """What the processor calls itself."""
    named = _processor_facts("model name")
    return named[0] if named else platform.processor() or platform.machine()


def processor_maker() -> str | None:
    """Who made the processor, in x86's own words as AuthenticAMD; None where that cannot be told."""
    named = _processor_facts("vendor_id")
    return named[0] if named else None


def _processor_facts(*names: str) -> list[str]:
    """What Linux says under these names, processor by processor; nothing elsewhere."""
    try:
        lines = _CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith(names)]


def processor_seconds(process: int) -> float | None:
    """Processor time that another process's threads have taken so far; None where that cannot be told."""
    try:
        # By thread, in nanoseconds; a process's own count is in hundredths of a second.
        threads = list(Path(f"/proc/{process}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except (OSError, IndexError):
        return None


def peak_memory() -> float:
    """The most that this process has held at once, in MB, pages of mapped files included."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        # What the kernel counts there begins with what the process that started this one held.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
