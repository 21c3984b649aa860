"""One process trains or evaluates: where a launcher has started several, each would do all of the work."""

from __future__ import annotations

import json
import os

from mlm_core.errors import RequestError

_LAUNCHERS = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
"""Variables in which launchers give the number of processes; SLURM's counts only inside of `srun`."""


def check_single_process() -> None:
    """Check that this is the only process of a job.

    Raises:
        RequestError: it is one of several.
    """
    for name in _LAUNCHERS:
        value = os.environ.get(name, "1")
        if name == "SLURM_NTASKS" and "SLURM_PROCID" not in os.environ:
            continue
        if value.strip() not in ("", "1"):
            raise _several(name, value)
    if _tensorflow_workers() > 1:
        raise _several("TF_CONFIG", os.environ["TF_CONFIG"])


def _tensorflow_workers() -> int:
    """Workers in the cluster of TF_CONFIG, TensorFlow's JSON; 1 where there is none."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        return max(1, sum(len(cluster.get(role, ())) for role in ("chief", "master", "worker")))
    except (ValueError, AttributeError, TypeError, RecursionError):
        return 1


def _several(name: str, value: str) -> RequestError:
    return RequestError(
        "training and evaluating in several processes is not supported",
        code="several_processes",
        option=name,
        value=value,
        fix="start one process",
    )
