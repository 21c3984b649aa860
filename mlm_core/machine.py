"""What this machine gives us."""

from __future__ import annotations

import os
from pathlib import Path

_CPU_FACTS = Path("/proc/cpuinfo")
_FAST_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of x86 and Arm processors that multiply bfloat16 numbers by themselves."""


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_fast_bf16() -> bool:
    """Whether the processor multiplies bfloat16 numbers by itself; False where that cannot be told."""
    try:
        facts = _CPU_FACTS.read_text(encoding="utf-8")
    except OSError:
        return False
    return any(
        _FAST_BF16 & set(line.split())
        for line in facts.splitlines()
        if line.startswith(("flags", "Features"))
    )
