"""Which rank a launcher has made of this process: torchrun, accelerate, MPI, Slurm or TF_CONFIG."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlm_core.errors import RequestError
from mlm_core.system.machine import cores

_LAUNCHERS = (
    # torchrun, accelerate and `mlm train --nproc`.
    ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    tuple(f"OMPI_COMM_WORLD_{name}" for name in ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")),
    tuple(f"MV2_COMM_WORLD_{name}" for name in ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    # Outside of srun there is no SLURM_PROCID, and SLURM_NTASKS is only what was asked for.
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
)
"""Of each launcher the variables of the rank, of the number of ranks, and of both on this machine."""

_TF_CONFIG = "TF_CONFIG"

_ROLES = ("chief", "worker")
"""Of TF_CONFIG, those that train, in the order of the ranks."""

_THREADS = "OMP_NUM_THREADS"

_LONGEST_NUMBER = 9
"""Digits of a rank or of a number of ranks."""


@dataclass(frozen=True)
class Launched:
    """The place of this process among those that train one model.

    Attributes:
        rank: its number, from 0.
        count: the number of ranks.
        local_rank: its number among the ranks of this machine.
        local_count: the number of ranks on this machine.
        by: the variable that says so; None: the process was started alone.
        workers: `HOST:PORT` of every rank, from TF_CONFIG; empty: there is none.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    by: str | None = None
    workers: tuple[str, ...] = ()

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes, logs, publishes and prepares data."""
        return self.rank == 0

    def threads(self, given: int | None) -> int:
        """Processor threads of this rank: the given number, else its share of the cores."""
        return given or max(1, cores() // self.local_count)


def launched(environment: Mapping[str, str] | None = None) -> Launched:
    """The place of this process, from its environment variables.

    Args:
        environment: the variables; None: this process's.

    Raises:
        RequestError: a variable has an impossible value, or two launchers disagree.
    """
    found = os.environ if environment is None else environment
    by_variables, by_cluster = _from_variables(found), _from_tf_config(found)
    if by_cluster is None:
        return by_variables or Launched()
    if by_variables is None:
        return by_cluster
    if (by_variables.rank, by_variables.count) != (by_cluster.rank, by_cluster.count):
        raise _wrong(
            _TF_CONFIG,
            f"rank {by_cluster.rank} of {by_cluster.count}",
            f"{by_variables.by} says rank {by_variables.rank} of {by_variables.count}",
        )
    return Launched(**{**vars(by_variables), "workers": by_cluster.workers})


def _from_variables(found: Mapping[str, str]) -> Launched | None:
    for rank_name, count_name, local_name, local_count_name in _LAUNCHERS:
        if not found.get(rank_name) and (rank_name.startswith("SLURM") or not found.get(count_name)):
            continue
        count = _number(found, count_name, 1)
        if count == 1:
            continue
        if not found.get(rank_name):
            raise _wrong(count_name, found[count_name], f"{rank_name} is missing")
        rank = _number(found, rank_name, 0)
        if not 0 <= rank < count:
            raise _wrong(rank_name, rank, f"{count_name} is {count}")
        local_count = _number(found, local_count_name, 1)
        if local_count < 1:
            raise _wrong(local_count_name, local_count, "at least this one is here")
        return Launched(rank, count, _number(found, local_name, 0), local_count, by=count_name)
    return None


def _number(found: Mapping[str, str], name: str, default: int) -> int:
    text = found.get(name, "").strip()
    if not text:
        return default
    # Slurm writes 2(x3),1 for three nodes with two tasks each and one with one.
    text = re.split(r"[(,]", text)[0] if name.startswith("SLURM") else text
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise _wrong(name, found[name], "not a number")
    return int(text)


def _from_tf_config(found: Mapping[str, str]) -> Launched | None:
    """The place in the cluster of TF_CONFIG, TensorFlow's JSON; None: there is none, or of one worker."""
    text = found.get(_TF_CONFIG) or ""
    try:
        content: Any = json.loads(text or "{}")
        cluster, task = content.get("cluster", {}), content.get("task", {})
        workers = [worker for role in _ROLES for worker in cluster.get(role, ())]
        others = sorted(role for role in cluster if role not in _ROLES and cluster[role])
        if len(workers) < 2:
            return None
        chiefs = len(cluster.get("chief", ()))
        index = task["index"]
        if type(index) is not int:
            # TensorFlow waits for ever for a worker "0".
            raise _wrong(_TF_CONFIG, text, f"its index {index!r} is not a whole number")
        rank = index + (0 if task["type"] == "chief" else chiefs)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise _wrong(_TF_CONFIG, text, "not a cluster with a task") from None
    if others or task["type"] not in _ROLES or not 0 <= rank < len(workers):
        raise _wrong(_TF_CONFIG, text, "only chief and worker are supported, with a task among them")
    for worker in workers:
        if (
            not isinstance(worker, str)
            or not re.fullmatch(r".+:\d{1,5}", worker)
            or not 0 < int(worker.rpartition(":")[2]) < 2**16
            or workers.count(worker) > 1
        ):
            raise _wrong(_TF_CONFIG, text, f"{worker!r} is not the HOST:PORT of one worker")
    hosts = [worker.rpartition(":")[0] for worker in workers]
    here = [place for place, host in enumerate(hosts) if host == hosts[rank]]
    return Launched(rank, len(workers), here.index(rank), len(here), _TF_CONFIG, tuple(workers))


def threads_asked() -> int | None:
    """The threads of `OMP_NUM_THREADS`, of a list such as 4,2 the first; None: it is not set.

    Libraries of several ranks read it, and fail on a list.

    Raises:
        RequestError: it is no number of threads.
    """
    written = os.environ.get(_THREADS, "").strip()
    first = written.split(",")[0].strip()
    if not written:
        return None
    if first.isdecimal() and len(first) <= _LONGEST_NUMBER and int(first) > 0:
        return int(first)
    raise RequestError(
        "is no number of threads",
        code="wrong_launch",
        option=_THREADS,
        value=written,
        fix="set it to a whole number of at least 1, or unset it",
    )


def _wrong(name: str, value: object, reason: str) -> RequestError:
    return RequestError(
        f"cannot be a rank's ({reason})",
        code="wrong_launch",
        option=name,
        value=value,
        fix="start the ranks with mlm train --nproc, torchrun or a launcher that sets its own variables",
    )
