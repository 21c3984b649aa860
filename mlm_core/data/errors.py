"""Errors about the text that was asked for."""

from __future__ import annotations

from collections.abc import Mapping

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


def not_text(column: str, found: str, candidates: list[str]) -> RequestError:
    """An error about a `--text-column` that holds something else."""
    return RequestError(
        f"holds {found}, not text",
        code="wrong_column",
        option="--text-column",
        value=column,
        fix=choices(candidates),
    )


def only_candidate(candidates: list[str], columns: Mapping[str, str], dataset: str) -> str:
    """The column with the text where none was asked for: "text", or the only one that can be it.

    Args:
        candidates: columns that hold text.
        columns: every column and what it holds.
        dataset: what an error calls it.

    Raises:
        RequestError: several could be meant, or none.
    """
    if "text" in candidates:
        return "text"
    if len(candidates) == 1:
        return candidates[0]
    message = "several columns could be the text"
    if not candidates:
        listed = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
        message = f"no column holds text: {listed or 'there are none'}"
    raise RequestError(
        message, code="ambiguous_column", option="--dataset", value=dataset, fix=choices(candidates)
    )


def choices(candidates: list[str]) -> str | None:
    """What to do where there are columns to choose from."""
    return f"choose with --text-column: {', '.join(candidates)}" if candidates else None


def bad_split(split: str, reason: str) -> RequestError:
    """An error about a `--split`."""
    fix = "write it as train, train[:5000], train[10%:20%] or train+test"
    return RequestError(reason.rstrip("."), code="bad_split", option="--split", value=split, fix=fix)
