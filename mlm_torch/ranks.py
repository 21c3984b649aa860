"""Joining the other ranks, through `torch.distributed`."""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from datetime import timedelta

import torch
import torch.distributed as dist

from mlm_core.config.runtime import RuntimeConfig
from mlm_core.errors import RequestError, first_line
from mlm_core.ranks.errors import not_joined
from mlm_core.ranks.launch import Launched, threads_asked
from mlm_core.ranks.ranks import Gather
from mlm_core.visible import quantity

_AT_WORK = timedelta(days=30)
"""How long ranks wait while another one prepares data or writes. If that one ends, they notice at once."""

_ADDRESS = ("MASTER_ADDR", "MASTER_PORT")


def join(place: Launched, config: RuntimeConfig) -> Gather:
    """Join the ranks; return what gathers bytes from all of them.

    Raises:
        RequestError: the launcher gave no address, or there are fewer GPUs than ranks on this machine.
        RunError: the ranks did not find each other within `--rank-timeout`.
    """
    # accelerate would choose the threads itself, and say so.
    os.environ["OMP_NUM_THREADS"] = str(threads_asked() or place.threads(config.threads))
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        _choose_gpu(place)
    if not dist.is_initialized():
        _initialize(place, "cpu:gloo,cuda:nccl" if on_gpu else "gloo", config.rank_timeout)
    # Else threads of the groups may outlive the interpreter, and abort the process while it ends.
    atexit.register(_leave)
    timeouts = {False: _AT_WORK, True: timedelta(seconds=config.rank_timeout)}
    groups = {soon: dist.new_group(backend="gloo", timeout=timeout) for soon, timeout in timeouts.items()}

    def gather_bytes(content: bytes, *, soon: bool = False) -> list[bytes]:
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(place.count)]
        dist.all_gather(sizes, torch.tensor([len(content)]), group=groups[soon])
        longest = max(int(size) for size in sizes)
        own = torch.zeros(longest, dtype=torch.uint8)
        own[: len(content)] = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8)[: len(content)]
        rows = [torch.empty_like(own) for _ in sizes]
        dist.all_gather(rows, own, group=groups[soon])
        return [row[: int(size)].numpy().tobytes() for row, size in zip(rows, sizes, strict=True)]

    return gather_bytes


def is_lost_rank(error: Exception) -> bool:
    """Whether an exception of `torch.distributed` means that another rank has ended or does not answer."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _initialize(place: Launched, backend: str, timeout: float) -> None:
    missing = [name for name in _ADDRESS if not os.environ.get(name)]
    if missing:
        raise RequestError(
            "missing, so the ranks cannot find each other",
            code="wrong_launch",
            option=missing[0],
            fix="start the ranks with mlm train --nproc or torchrun, or set MASTER_ADDR and MASTER_PORT; "
            f"for one process, unset {place.by}",
        )
    port = os.environ["MASTER_PORT"]
    if not port.isdecimal() or not 0 < int(port[:6]) < 2**16:
        raise RequestError(
            "is no port",
            code="wrong_launch",
            option="MASTER_PORT",
            value=port,
            fix="give the number of a free port of rank 0",
        )
    try:
        dist.init_process_group(
            backend, rank=place.rank, world_size=place.count, timeout=timedelta(seconds=timeout)
        )
    except (dist.DistError, RuntimeError, ValueError) as error:
        raise not_joined(place.count, timeout, first_line(error)) from None


def _leave() -> None:
    if dist.is_initialized():
        with suppress(RuntimeError, ValueError):
            dist.destroy_process_group()


def _choose_gpu(place: Launched) -> None:
    found = torch.cuda.device_count()
    if place.local_rank >= found:
        raise RequestError(
            f"{found} found for {quantity(place.local_count, 'rank')} on this machine",
            code="too_few_gpus",
            option="GPUs",
            fix="start one rank for each GPU, or give --device cpu",
        )
    torch.cuda.set_device(place.local_rank)
