"""Errors about a `--dataset` or a `--split`."""

from __future__ import annotations

from mlm_core.errors import RequestError


def dataset_error(value: str, message: str, code: str, fix: str | None = None) -> RequestError:
    """The error about a `--dataset`; `value` is the dataset, or the file of it that is wrong."""
    return RequestError(message, code=code, option="--dataset", value=value, fix=fix)


def split_error(split: str, message: str) -> RequestError:
    """The error about a `--split` that selects nothing or cannot be parsed."""
    fix = "give for example train, train[:5000], train[10%:20%] or train+test"
    return RequestError(message.rstrip("."), code="bad_split", option="--split", value=split, fix=fix)
