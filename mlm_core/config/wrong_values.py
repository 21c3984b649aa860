"""Errors about values from Python that no option takes: the class and what to do, not the content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlm_core.errors import RequestError

_SAVE = "save model and tokenizer into one directory with save_pretrained, and give its path"
_GIVE_TEXT = "pass it to train(...), or to trainer(config, dataset=...); in a Config, dataset is a name"
_GIVE_NAME = "give the name of a file, or of a dataset on the Hub"


def kind_of(value: Any) -> str:
    """A value's class, for example "dict"; None is itself."""
    return "None" if value is None else type(value).__name__


def wrong_value(name: str, value: Any, wanted: str, flag: str) -> RequestError:
    """Error: an option has a value of a wrong type.

    Args:
        name: of the option, in Python.
        value: its value.
        wanted: what it must be, in words.
        flag: the option as an error shows it.
    """
    if isinstance(value, (str, bool, int, float)):
        shown = repr(value) if value == "" else value
        return RequestError(f"must be {wanted}", code="invalid_type", option=flag, value=shown)
    return RequestError(
        f"must be {wanted}, not {kind_of(value)}", code="invalid_type", option=flag, fix=_fix(name, value)
    )


def given_by_place(value: Any) -> RequestError:
    """Error: `Config` was called with a value that has no name."""
    if isinstance(value, Mapping):
        fix = "unpack a mapping: Config(**options)"
    elif isinstance(value, str) or hasattr(value, "__fspath__"):
        fix = f"for example Config(dataset={str(value)!r})"
    else:
        fix = "for example Config(dataset=...)"
    return RequestError(
        f"takes options by name, not {kind_of(value)}", code="invalid_type", option="Config", fix=fix
    )


def _fix(name: str, value: Any) -> str | None:
    if value is None:
        return "leave it out for its default"
    if hasattr(value, "save_pretrained"):
        return _SAVE if name == "model" else None
    if name == "dataset":
        return _GIVE_TEXT if _holds_text(value) else _GIVE_NAME
    return None


def _holds_text(value: Any) -> bool:
    """Whether a value is text itself, not its name: a dataset, a data frame, a list of texts."""
    return hasattr(value, "column_names") or hasattr(value, "columns") or isinstance(value, (list, tuple))
