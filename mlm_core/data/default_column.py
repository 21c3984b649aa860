"""The column with the text where `--text-column` is not given."""

from __future__ import annotations

from collections.abc import Mapping

from mlm_core.data.column_errors import ambiguous_column_error

DEFAULT = "text"
"""The name of the column that is the text, whatever other columns there are."""


def default_column(candidates: list[str], columns: Mapping[str, str], dataset: str) -> str:
    """The column "text", or else the only column that holds text.

    Args:
        candidates: the columns that hold text.
        columns: what each column holds, by name.
        dataset: the dataset's name in an error.

    Raises:
        RequestError: no column holds text, or several do and none is called "text".
    """
    if DEFAULT in candidates:
        return DEFAULT
    if len(candidates) == 1:
        return candidates[0]
    raise ambiguous_column_error(candidates, columns, dataset)
