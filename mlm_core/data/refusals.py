"""Errors about the text that was asked for."""

from __future__ import annotations

from mlm_core.errors import RequestError


def dataset_refusal(value: str, message: str, code: str, fix: str | None = None) -> RequestError:
    """An error about a `--dataset`."""
    return RequestError(message, code=code, option="--dataset", value=value, fix=fix)


def no_such_column(dataset: str, column: str, candidates: list[str]) -> RequestError:
    """An error about a `--text-column` that is not there."""
    return RequestError(
        f"{dataset} has no such column",
        code="missing_column",
        option="--text-column",
        value=column,
        fix=choices(candidates),
    )


def choices(candidates: list[str]) -> str | None:
    """What to do where there are columns to choose from."""
    return f"choose with --text-column: {', '.join(candidates)}" if candidates else None


def bad_split(split: str, reason: str) -> RequestError:
    """An error about a `--split`."""
    fix = "write it as train, train[:5000], train[10%:20%] or train+test"
    return RequestError(reason.rstrip("."), code="bad_split", option="--split", value=split, fix=fix)
