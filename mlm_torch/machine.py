"""The process: threads, device, memory."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable

import torch


def set_up(device: str, threads: int | None) -> torch.device:
    """Set PyTorch's threads (None: unchanged) and return the device, which must exist."""
    if threads is not None:
        torch.set_num_threads(threads)
    if torch.cuda.is_available() and device != "cpu":
        # Each rank has chosen its own.
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products of a GPU may be TF32; by default PyTorch allows it in convolutions alone."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def read_later(values: torch.Tensor) -> Callable[[], list[float]]:
    """Begin to copy a vector to the host; the returned function waits for its numbers."""
    if values.device.type != "cuda":
        return values.tolist
    held = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    held.copy_(values, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def read() -> list[float]:
        copied.synchronize()
        return held.tolist()

    return read


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step, for the rest of the process; for a CPU.

    By default glibc returns large blocks to the system when they are freed. Each step would then get them
    again, page by page and zeroed, which takes a tenth of its time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
