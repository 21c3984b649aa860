"""Text given as an object in Python: a `datasets` object, a list of texts, or a pandas data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config
from mlm_core.config.wrong_values import kind_of
from mlm_core.data.default_column import DEFAULT
from mlm_core.errors import RequestError, first_line

_LONGEST_PATH = 1000
_FILES = 'name a directory, or a pattern such as "texts/*.jsonl"; to train on the names, make a Dataset'


def as_dataset(given: Any) -> Any:
    """The text as a `datasets.Dataset`, or as a `DatasetDict`; equal texts have equal fingerprints.

    Raises:
        RequestError: it is nothing of which one can be made; the message says what to do.
    """
    import datasets

    if isinstance(given, datasets.Dataset) or _is_splits(given, datasets.Dataset):
        return given
    if _is_frame(given):
        return _of_frame(given)
    if type(given).__module__.partition(".")[0] in ("numpy", "pandas") and getattr(given, "ndim", 0) == 1:
        # An array of texts, or a column of a data frame.
        given = given.tolist()
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return _of_texts(given)
    raise _wrong(given)


def _is_splits(given: Any, kind: type) -> bool:
    return (
        isinstance(given, Mapping)
        and len(given) > 0
        and all(isinstance(rows, kind) for rows in given.values())
    )


def _is_frame(given: Any) -> bool:
    # By name: pandas need not be imported for a list of texts.
    return type(given).__module__.partition(".")[0] == "pandas" and hasattr(given, "columns")


def _of_texts(texts: Sequence[Any]) -> Any:
    import datasets

    if not texts:
        raise RequestError(
            "holds no text", code="empty_file", option="dataset", fix="give at least two texts"
        )
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise RequestError(
                f"holds {kind_of(text)} at place {place}, where a text belongs",
                code="invalid_type",
                option="dataset",
                fix="give a list of texts, or make a datasets.Dataset, with from_list for a list of rows",
            )
    if _is_file(texts[0]):
        raise RequestError(
            "is a list of file names, not of texts", code="invalid_type", option="dataset", fix=_FILES
        )
    return datasets.Dataset.from_dict({DEFAULT: list(texts)})


def _is_file(text: str) -> bool:
    try:
        return len(text) < _LONGEST_PATH and Path(text).is_file()
    except (OSError, ValueError):
        return False


def _of_frame(frame: Any) -> Any:
    import datasets

    try:
        return datasets.Dataset.from_pandas(frame, preserve_index=False)
    except Exception as error:
        # pyarrow raises errors of many classes, for example for a column of mixed types.
        raise RequestError(
            f"the data frame cannot be read ({first_line(error)})",
            code="malformed_file",
            option="dataset",
            fix='give its texts alone, for example frame["text"]',
        ) from None


def _wrong(given: Any) -> RequestError:
    fix = "name a file or a dataset on the Hub, or give a datasets.Dataset, a list of texts or a data frame"
    if isinstance(given, Config):
        fix = "give options by name, or use load_engine(...).trainer(config).train()"
    elif hasattr(given, "features") or hasattr(given, "take"):
        fix = "make a Dataset of it first, or save it to a file and name the file"
    elif isinstance(given, Mapping):
        fix = "make a Dataset of it, with datasets.Dataset.from_dict"
    return RequestError(
        f"must be a name or a text, not {kind_of(given)}", code="invalid_type", option="dataset", fix=fix
    )
