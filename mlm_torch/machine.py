"""The process and the device: threads, memory."""

from __future__ import annotations

import ctypes
import platform

import torch


def set_up(device: str, threads: int | None) -> torch.device:
    """Give PyTorch its threads (None: as they are) and choose the device, which must be there."""
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.device("cuda" if torch.cuda.is_available() and device != "cpu" else "cpu")


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Keep what is freed for the next step, for the rest of the process; on a CPU.

    glibc gives large pieces back to the system as soon as they are freed, and each step would get them anew,
    page by page and filled with zeros: a tenth of its time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
