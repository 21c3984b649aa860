"""The GPU, and its peak rate according to its maker."""

from __future__ import annotations

import os
import subprocess

PEAK_TFLOPS = {
    "NVIDIA H100 80GB HBM3": {"float32": 67.0, "bf16": 989.0},
    "NVIDIA H200": {"float32": 67.0, "bf16": 989.0},
    "NVIDIA H100 PCIe": {"float32": 51.0, "bf16": 756.0},
    "NVIDIA A100-SXM4-80GB": {"float32": 19.5, "bf16": 312.0},
    "NVIDIA A100-SXM4-40GB": {"float32": 19.5, "bf16": 312.0},
}
"""10^12 operations per second of dense matrix products, from NVIDIA's data sheets; float32 is not TF32."""


def gpu_name() -> str | None:
    """The name of the first GPU by nvidia-smi; None: there is none, or `CUDA_VISIBLE_DEVICES` hides it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return found[0].strip() if found else None
