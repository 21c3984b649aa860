"""Errors about the column with the text: missing, not text, or not clear which column it is."""

from __future__ import annotations

from collections.abc import Mapping

from mlm_core.errors import RequestError


def missing_column_error(dataset: str, column: str, candidates: list[str]) -> RequestError:
    """The error about a `--text-column` that the dataset lacks."""
    return RequestError(
        f"{dataset} has no such column",
        code="missing_column",
        option="--text-column",
        value=column,
        fix=_choices(candidates),
    )


def wrong_column_error(column: str, found: str, candidates: list[str]) -> RequestError:
    """The error about a `--text-column` that does not hold text; `found` says what it holds."""
    return RequestError(
        f"holds {found}, not text",
        code="wrong_column",
        option="--text-column",
        value=column,
        fix=_choices(candidates),
    )


def ambiguous_column_error(candidates: list[str], columns: Mapping[str, str], dataset: str) -> RequestError:
    """The error where `--text-column` is not given and none or several columns could be the text.

    Args:
        candidates: the columns that hold text.
        columns: what each column holds, by name.
        dataset: the dataset's name in the message.
    """
    message = "several columns could be the text"
    if not candidates:
        listed = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
        message = f"no column holds text: {listed or 'there are no columns'}"
    return RequestError(
        message, code="ambiguous_column", option="--dataset", value=dataset, fix=_choices(candidates)
    )


def _choices(candidates: list[str]) -> str:
    if not candidates:
        return "give a dataset with a column of text"
    return f"choose with --text-column: {', '.join(candidates)}"
