"""Arguments of the Python API, checked as options are: one clear error for a value of a wrong type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mlm_core.config.wrong_values import kind_of
from mlm_core.errors import RequestError

T = TypeVar("T")


def wrong_argument(name: str, value: Any, wanted: str) -> RequestError:
    """Error: an argument has a wrong type."""
    # Other objects may fill pages: a model, a data frame.
    shown = repr(value) if value is None or isinstance(value, (str, bytes, bool, int, float)) else None
    return RequestError(
        f"must be {wanted}, not {kind_of(value)}", code="invalid_type", option=name, value=shown
    )


def as_instance(name: str, value: Any, kind: type[T], wanted: str) -> T:
    """The value, which must be an instance of `kind`.

    Args:
        name: of the argument.
        value: the argument.
        kind: its class.
        wanted: the class in words, for the error.

    Raises:
        RequestError: it is something else.
    """
    if not isinstance(value, kind):
        raise wrong_argument(name, value, wanted)
    return value


def as_texts(name: str, value: Any) -> list[str]:
    """One text or several, as a list.

    Raises:
        RequestError: it is neither.
    """
    if isinstance(value, str):
        return [value]
    # A generator, an array of numpy and a column of datasets are as good as a list.
    if isinstance(value, bytes) or not hasattr(value, "__iter__"):
        raise wrong_argument(name, value, "a text, or a sequence of texts")
    texts: Sequence[Any] = list(value)
    for text in texts:
        as_instance(name, text, str, "a text, or a sequence of texts")
    return [str(text) for text in texts]


def as_count(name: str, value: Any) -> int:
    """A whole number of at least 1.

    Raises:
        RequestError: it is none.
    """
    # Numbers of numpy are whole numbers, too; a bool is not meant as one.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong_argument(name, value, "a whole number")
    count = int(value)
    if count < 1:
        raise RequestError("must be at least 1", code="out_of_range", option=name, value=count)
    return count


def as_function(name: str, value: Callable[..., Any] | None) -> None:
    """Check that the value can be called, or is None.

    Raises:
        RequestError: it is neither.
    """
    if value is not None and not callable(value):
        raise wrong_argument(name, value, "a function, or None")


def as_name(name: str, value: Any) -> str:
    """A name or a path, as text.

    Raises:
        RequestError: it is neither.
    """
    if not isinstance(value, str) and not hasattr(value, "__fspath__"):
        raise wrong_argument(name, value, "a name or a path")
    return str(value)


def as_directory(name: str, value: Any) -> Path:
    """The path of a directory, which need not exist.

    Raises:
        RequestError: it is no path, or a file is there.
    """
    path = Path(as_name(name, value))
    if path.exists() and not path.is_dir():
        raise RequestError(
            "not a directory", code="not_a_directory", option=name, value=str(path), fix="choose another"
        )
    return path
