"""A trace of some steps: launches, synchronisations, copies, and how long the GPU computes."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

NAME = 120
"""Characters of a kernel's name: shorter ones look the same for different kernels."""

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel")
SYNCS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
"""Categories of what keeps a GPU busy, in a trace of Kineto. Its "overhead" and annotations do not."""

TOP = 25


class Trace:
    """PyTorch's profiler around some steps."""

    def start(self) -> None:
        """Begin; the profiler is running when this returns."""
        import torch
        from torch.profiler import ProfilerActivity, profile

        gpu = torch.cuda.is_available()
        self._profile = profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * gpu])
        self._profile.__enter__()

    def stop(self, steps: int) -> dict[str, Any]:
        """End, and return what `summary` makes of it."""
        self._profile.__exit__(None, None, None)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "trace.json"
            self._profile.export_chrome_trace(str(path))
            events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        rows = sorted(self._profile.key_averages(), key=lambda row: -row.self_cpu_time_total)
        host = [[row.key[:NAME], round(row.self_cpu_time_total / steps / 1e3, 3)] for row in rows[:TOP]]
        return summary(events, steps) | {"host": host}


def summary(events: Sequence[dict[str, Any]], steps: int) -> dict[str, Any]:
    """Counts and times of a step.

    Args:
        events: of a Chrome trace, times in microseconds.
        steps: in the trace.

    Returns:
        `launches`, `graphs`, `syncs`, `copies` of a step; `kernels_ms`, in which at least one kernel or copy
        was running (None: there was none); `top`, the longest ones: name, milliseconds and count of a step.
    """
    calls = [event["name"] for event in events if event.get("cat") in ("cuda_runtime", "cuda_driver")]
    on_gpu = [event for event in events if event.get("cat") in ON_GPU and "dur" in event]
    by_name: dict[str, list[float]] = defaultdict(list)
    for event in on_gpu:
        by_name[event["name"][:NAME]].append(event["dur"])
    top = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:TOP]
    spans = [(event["ts"], event["ts"] + event["dur"]) for event in on_gpu]
    return {
        "launches": _count(calls, LAUNCHES) / steps,
        "graphs": _count(calls, ("cudaGraphLaunch",)) / steps,
        "syncs": _count(calls, SYNCS) / steps,
        "copies": _count(calls, ("cudaMemcpy",)) / steps,
        "kernels_ms": _covered(spans) / steps / 1e3 if spans else None,
        "top": [[name, round(sum(times) / steps / 1e3, 3), len(times) / steps] for name, times in top],
    }


def _count(names: Iterable[str], starts: tuple[str, ...]) -> int:
    return sum(name.startswith(starts) for name in names)


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
