"""The ranks of `mlm train --nproc` as processes of this machine: started, watched, ended together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from mlm_core.ranks.launch import threads_asked
from mlm_core.ranks.notes import NOTES, Notes
from mlm_core.ranks.outcome import Ended, interrupting
from mlm_core.system.child_processes import child_environment, python_command
from mlm_core.system.interruption import PassedOn
from mlm_core.system.machine import cores

_GRACE = 10.0
"""Seconds in which the other ranks may end by themselves, once one has ended."""

_INTERVAL = 0.05
"""Seconds between looks at the processes."""

_KEPT = 1 << 16
"""Bytes of a rank's stderr that are kept, the last ones."""

_HOST = "127.0.0.1"


def run_ranks(words: Sequence[str], count: int, notes: Notes, signals: PassedOn) -> list[Ended]:
    """Run `mlm WORDS` in `count` ranks until all have ended; if one fails, the others are ended, too.

    Args:
        words: the command line.
        count: the number of ranks.
        notes: receives what the ranks tell.
        signals: the first is passed on to one rank, and the ranks agree on where to end.

    Returns:
        How each rank ended, in their order.

    Raises:
        OSError: a process cannot be started.
    """
    ranks: list[_Rank] = []
    ports = free_ports(count + 1)
    try:
        with _blocked_interrupt():
            for number in range(count):
                ranks.append(_Rank(number, words, rank_environment(number, ports), notes))
        _watch(ranks, signals)
    finally:
        for rank in ranks:
            rank.kill()
    return [rank.ended() for rank in ranks]


class _Rank:
    """A process; rank 0 has this process's stdout and stderr, of the others the end of stderr is kept."""

    def __init__(self, number: int, words: Sequence[str], environment: dict[str, str], notes: Notes) -> None:
        self._number = number
        self._notes = notes
        self._by_launcher = False
        self._process = subprocess.Popen(
            python_command("-m", "mlm_core", *words),
            env=environment | {NOTES: str(notes.directory)},
            stdin=subprocess.DEVNULL,
            stdout=None if number == 0 else subprocess.DEVNULL,
            stderr=None if number == 0 else subprocess.PIPE,
        )
        self._said = _Tail(self._process.stderr)

    @property
    def code(self) -> int | None:
        """The exit code, or minus a signal; 0 if its work was done; None: it runs."""
        code = self._process.poll()
        return 0 if code and self._notes.done(self._number) else code

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        self._process.send_signal(number)

    def end(self, number: int) -> None:
        """Send a signal that ends it: how it ends is this process's doing."""
        if self.code is None:
            self._by_launcher = True
            self.send(number)

    def kill(self) -> None:
        """End it now, if it still runs."""
        self.end(signal.SIGKILL)
        self._process.wait()

    def ended(self) -> Ended:
        """How it ended."""
        assert self.code is not None
        error, said = self._notes.error(self._number), self._said.text()
        return Ended(self._number, self.code, error, said, self._by_launcher)

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it outside of the training, so the others do not know."""
        code = self.code
        return bool(code) and interrupting(code or 0) is not None and self._notes.error(self._number) is None


class _Tail:
    """The last bytes of what a process writes. It is read at once: a full pipe would stop the process."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._pipe is not None and (chunk := os.read(self._pipe.fileno(), _KEPT)):
            self._kept = (self._kept + chunk)[-_KEPT:]

    def text(self) -> str:
        """What was kept."""
        # A process that the rank has started may hold the pipe open.
        self._thread.join(timeout=1.0)
        return self._kept.decode(errors="replace")


def _watch(ranks: Sequence[_Rank], signals: PassedOn) -> None:
    """Wait until all ranks have ended, or must be killed."""
    passed_on, until = False, float("inf")
    while running := [rank for rank in ranks if rank.code is None]:
        if signals.impatient or time.monotonic() > until:
            return
        if signals.received is not None and not passed_on:
            passed_on = True
            running[0].send(signals.received)
        codes = [rank.code for rank in ranks]
        # Once the first rank is done, the others have nothing left to do.
        if until == float("inf") and (any(codes) or codes[0] == 0):
            until = time.monotonic() + _GRACE
        if any(rank.interrupted for rank in ranks):
            for rank in running:
                rank.end(signal.SIGTERM)
        time.sleep(_INTERVAL)


def rank_environment(rank: int, ports: Sequence[int]) -> dict[str, str]:
    """The variables of a rank on this machine, for either framework.

    Args:
        rank: its number.
        ports: free ports, one for all ranks and one for each of them.
    """
    count = len(ports) - 1
    cluster = {"worker": [f"{_HOST}:{port}" for port in ports[1:]]}
    threads = str(threads_asked() or max(1, cores() // count))
    found = child_environment(
        RANK=str(rank),
        WORLD_SIZE=str(count),
        LOCAL_RANK=str(rank),
        LOCAL_WORLD_SIZE=str(count),
        # A framework takes one of the two kinds of address.
        MASTER_ADDR=_HOST,
        MASTER_PORT=str(ports[0]),
        TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}}),
        OMP_NUM_THREADS=threads,
    )
    # Of a torchrun around this process: its store is none of these ranks'.
    found.pop("TORCHELASTIC_USE_AGENT_STORE", None)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((_HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def _blocked_interrupt() -> Iterator[None]:
    """Processes that are started inside begin with SIGINT blocked; `begin_watched` lets it through."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
