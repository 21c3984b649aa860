"""How the ranks of a launcher ended, and which of them was the first cause."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mlm_core.errors import MlmError
from mlm_core.system.interruption import signal_name

_INTERRUPTS = tuple(
    number for name in ("SIGHUP", "SIGINT", "SIGTERM") if (number := getattr(signal, name, None)) is not None
)
"""Signals that ask a run to end."""


def interrupting(code: int) -> int | None:
    """The signal that asked a process with this exit code to end; None: none did."""
    return next((int(number) for number in _INTERRUPTS if code in (-number, 128 + number)), None)


class _Kind(IntEnum):
    """Ends of a rank, causes first: an earlier one can be the reason for a later one, in another rank."""

    KILLED = 0
    SAID = 1
    INTERRUPTED = 2
    SIGNAL = 3
    UNFORESEEN = 4
    SILENT = 5
    LOST = 6
    OTHER = 7


_BY_CODE = {"internal_error": _Kind.UNFORESEEN, "lost_rank": _Kind.LOST}


@dataclass(frozen=True)
class Ended:
    """How a rank ended.

    Attributes:
        rank: its number.
        code: its exit code, or minus the signal that killed it; 0 if its work was done before.
        error: the error it noted; None: it noted none.
        said: the end of its stderr; "" for rank 0.
        by_launcher: whether the launcher has ended it.
    """

    rank: int
    code: int
    error: dict[str, Any] | None
    said: str
    by_launcher: bool

    @property
    def kind(self) -> _Kind:
        """What kind of end it was."""
        if self.code == -signal.SIGKILL:
            return _Kind.KILLED
        if self.error is not None:
            if self.error.get("said_by") not in (None, self.rank):
                return _Kind.OTHER
            return _BY_CODE.get(self.error["code"], _Kind.SAID)
        if interrupting(self.code) is not None:
            return _Kind.INTERRUPTED
        return _Kind.SIGNAL if self.code < 0 else _Kind.SILENT

    @property
    def how(self) -> str:
        """How it ended, as the end of a sentence about it."""
        if self.code < 0:
            return f"was killed by {signal_name(-self.code)}"
        last = next((line.strip() for line in reversed(self.said.splitlines()) if line.strip()), "")
        return f"ended with exit code {self.code}" + (f" ({last[:300]})" if last else "")


def first_cause(ended: Sequence[Ended]) -> Ended | None:
    """The rank that ended all; None: none failed by itself."""
    failed = [one for one in ended if one.code != 0 and not one.by_launcher]
    return min(failed, key=lambda one: (one.kind, one.rank), default=None)


def failure(ended: Sequence[Ended], received: int | None) -> MlmError | None:
    """The error of ranks that ended; None: their work is done.

    Args:
        ended: how each rank ended.
        received: the signal that the launcher has received; None: none.
    """
    cause = first_cause(ended)
    if ended[0].code == 0 or (cause is None and received is None):
        return None
    if received is not None and (cause is None or cause.kind >= _Kind.SIGNAL):
        return StoppedError(received)
    assert cause is not None
    if cause.kind == _Kind.INTERRUPTED:
        return StoppedError(interrupting(cause.code) or 0)
    silent = [one.rank for one in ended if one.by_launcher]
    if cause.kind == _Kind.LOST and silent:
        return DeadRankError(f"rank {silent[0]} of {len(ended)} does not answer")
    if cause.error is None:
        return DeadRankError(f"rank {cause.rank} of {len(ended)} {cause.how}")
    return RankError(cause.rank, len(ended), cause.error)


class StoppedError(MlmError):
    """A signal ended the ranks outside of the steps, so they saved nothing."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal_name(number)}", code="interrupted")
        self.exit_code = 128 + number


class DeadRankError(MlmError):
    """A rank has ended without a word, or does not answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="lost_rank")


class RankError(MlmError):
    """The error of a rank; rank 0 speaks for all.

    Args:
        rank: its number.
        count: the number of ranks.
        facts: the error it noted.
    """

    _speaker = ""

    def __init__(self, rank: int, count: int, facts: dict[str, Any]) -> None:
        named = {name: facts[name] for name in ("code", "option", "value", "fix")}
        super().__init__(facts["message"], **named)
        self.exit_code = facts["exit_code"]
        self._speaker = f"rank {rank} of {count}: " if rank else ""

    def __str__(self) -> str:
        return self._speaker + super().__str__()

    def as_dict(self) -> dict[str, Any]:
        """The error as the `error` object of `--json`."""
        facts = super().as_dict()
        return facts | {"message": self._speaker + facts["message"]}
