"""Errors of a rank that concern the others, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlm_core.errors import MlmError, RequestError, RunError, first_line


def described(failure: BaseException) -> dict[str, Any]:
    """A failure for the other ranks, in JSON's values."""
    if isinstance(failure, MlmError):
        return failure.as_dict() | {"exit_code": failure.exit_code}
    shown: dict[str, Any] = {"code": "other_rank", "message": first_line(failure), "exit_code": 1}
    if isinstance(failure, KeyboardInterrupt):
        return shown | {"message": "interrupted", "exit_code": 130}
    if isinstance(failure, SystemExit) and isinstance(failure.code, int):
        return shown | {"message": "interrupted", "exit_code": failure.code}
    return shown


def as_in(rank: int, facts: Mapping[str, Any]) -> MlmError:
    """The error of another rank, which says it; this one ends with the same exit code and says nothing."""
    kind = RequestError if facts["exit_code"] == RequestError.exit_code else RunError
    error = kind(
        facts["message"],
        code=facts["code"],
        option=facts.get("option"),
        value=facts.get("value"),
        fix=facts.get("fix"),
    )
    error.exit_code, error.said_by = facts["exit_code"], rank
    return error


def lost_rank(rank: int, count: int) -> RunError:
    """Error: another rank has ended, or does not answer."""
    return RunError(
        f"rank {rank} of {count} has lost another rank, which has ended or does not answer",
        code="lost_rank",
        fix="see what that one says; --resume continues from the newest complete checkpoint",
    )


def not_joined(count: int, seconds: float, reason: str) -> RunError:
    """Error: the ranks did not find each other."""
    return RunError(
        f"the {count} ranks have not found each other within {seconds:.0f} s ({reason})",
        code="not_joined",
        fix="start all of them, with the same address, a free port and the same number of ranks",
    )


def too_many_ranks(replicas: int, batch_size: int) -> RequestError:
    """Error: some ranks would have no row of a micro-batch."""
    return RequestError(
        f"has fewer rows than there are ranks ({replicas})",
        code="too_many_ranks",
        option="--batch-size",
        value=batch_size,
        fix=f"give {replicas} or more, or start fewer ranks",
    )


def ranks_differ(what: str, rank: int) -> RequestError:
    """Error: a rank was started with something else than the first."""
    return RequestError(
        f"rank {rank} has another one than rank 0; all ranks train one model",
        code="ranks_differ",
        option=what,
        fix="start all ranks with the same command, and with the same files",
    )
