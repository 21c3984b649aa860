"""Several ranks on this machine, as a launcher starts them, for the tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORKER = Path(__file__).parent / "contract" / "rank_worker.py"
PATIENCE = 280.0
"""Seconds after which ranks that do not end are killed."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def rank_environment(backend: str, rank: int, ports: Sequence[int]) -> dict[str, str]:
    """The variables of one rank of as many as there are ports."""
    count = len(ports)
    found = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
    shown = {name: str(value) for name, value in found.items()}
    if backend == "tf":
        workers = [f"127.0.0.1:{port}" for port in ports]
        task = {"type": "worker", "index": rank}
        return shown | {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task})}
    return shown | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}


class RankGroup:
    """Ranks that run a worker's jobs, one after the other, all ranks each job.

    Args:
        backend: the engine.
        count: the number of ranks.
        jobs: see `rank_worker.py`.
        ports: as many as ranks; None: free ones.
        absent: ranks that are not started.
        devices: logical processors of each rank; TensorFlow trains a replica on each.
    """

    def __init__(
        self,
        backend: str,
        count: int,
        jobs: Sequence[dict[str, Any]],
        *,
        ports: Sequence[int] | None = None,
        absent: Sequence[int] = (),
        devices: int = 1,
    ) -> None:
        ports = ports or free_ports(count)
        # Open as long as the group: it is read while and after the ranks write.
        self.printed = [tempfile.TemporaryFile("w+") for _ in range(count)]  # noqa: SIM115
        self.processes = {
            rank: subprocess.Popen(
                [sys.executable, str(WORKER), backend, str(devices), json.dumps(list(jobs))],
                stdout=self.printed[rank],
                stderr=subprocess.STDOUT,
                env=os.environ | (rank_environment(backend, rank, ports) if count > 1 else {}),
            )
            for rank in range(count)
            if rank not in absent
        }

    def ended(self) -> dict[int, list[dict[str, Any]]]:
        """Wait; return what each rank said of each job."""
        try:
            for process in self.processes.values():
                process.wait(PATIENCE)
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
        return {rank: self.said(rank) for rank in self.processes}

    def said(self, rank: int) -> list[dict[str, Any]]:
        """What a rank said of each job that it has ended."""
        text = self.text(rank)
        return [json.loads(line) for line in text.splitlines() if line.startswith('{"job"')]

    def text(self, rank: int) -> str:
        """All that a rank printed."""
        self.printed[rank].seek(0)
        return self.printed[rank].read()
