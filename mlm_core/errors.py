"""Errors with a cause that the user can act on."""

from __future__ import annotations

from typing import Any

from mlm_core.visible import masked, visible


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_LONGEST = 300
"""Characters of a value in an error."""
_LONGEST_PART = 1000
"""Characters of the message, and of what to do."""


def _shortened(value: Any) -> str:
    try:
        shown = str(value)
    except ValueError:
        # Python does not write integers of more than 4,300 digits.
        shown = "a number of thousands of digits"
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


class MlmError(Exception):
    """An error with one clear line: what was wrong, which value, and what to do. It shows no secrets.

    Args:
        message: what was wrong, as a clause ("no such file").
        code: a short stable name for programs ("missing_file").
        option: the option concerned, as written on the command line ("--dataset"), or None.
        value: the offending value, or None.
        fix: what to do about it, as an imperative clause, or None.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        code: str,
        option: str | None = None,
        value: Any = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.option = option
        self.value = value
        self.fix = fix
        self.said_by: int | None = None
        """The rank that says it for all, where several train one model; None: each process for itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle an error with all its parts, so that it comes back from another process."""
        return _unpickled, (type(self), self.args, dict(vars(self)))

    def __str__(self) -> str:
        subject = " ".join(_shortened(part) for part in (self.option, self.value) if part is not None)
        message, fix = self.message[:_LONGEST_PART], (self.fix or "")[:_LONGEST_PART]
        line = f"{subject}: {message}" if subject else message
        if fix:
            line = f"{line}; {fix}"
        return masked(" ".join(line.split()))

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show: the line alone, as the command does."""
        return [f"{type(self).__name__}: {visible(str(self))}"]

    def as_dict(self) -> dict[str, Any]:
        """The error as the `error` object of `--json`."""
        value = self.value
        if value is not None and not isinstance(value, (bool, int, float, str)):
            value = _shortened(value)
        parts = {
            "code": self.code,
            "option": self.option,
            "value": value,
            "message": " ".join(self.message.split()),
            "fix": self.fix,
        }
        return {name: masked(part) if isinstance(part, str) else part for name, part in parts.items()}


def _unpickled(kind: type[MlmError], arguments: tuple[Any, ...], parts: dict[str, Any]) -> MlmError:
    # Subclasses have other arguments.
    error = kind.__new__(kind, *arguments)
    vars(error).update(parts)
    return error


class RequestError(MlmError):
    """The request is wrong; nothing was started or written (exit code 2)."""

    exit_code = 2


class RunError(MlmError):
    """A valid request failed while it ran (exit code 1)."""

    exit_code = 1
