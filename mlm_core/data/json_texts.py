"""The texts in rows of JSON: each row is kept as a line, and its text is taken out when it is needed.

No column has a type, so a value of another type far down in a file does not change the rows above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlm_core.data.documents import Rows
from mlm_core.data.json_lines import COLUMN, json_object
from mlm_core.data.nested_text import joined_text


class JsonTexts:
    """The texts at one path in rows of JSON, for example `answers.text`.

    Args:
        lines: a `datasets.Dataset` with one column of lines; each line is a JSON object or blank.
        column: the path.
    """

    def __init__(self, lines: Any, column: str) -> None:
        self._lines = lines
        self._path = column.split(".")
        self._column = column

    def __len__(self) -> int:
        return len(self._lines)

    def fetch(self, rows: Rows) -> list[str]:
        """See `Texts.fetch`.

        Raises:
            RequestError: a value is not text.
            ValueError: a line is not a JSON object.
        """
        lines = self._lines[rows.tolist()][COLUMN]
        return [self._text(row, json_object(line)) for row, line in zip(rows.tolist(), lines, strict=True)]

    def raw(self, row: int) -> Any:
        """See `Texts.raw`."""
        return json_object(self._lines[row][COLUMN])

    def _text(self, row: int, item: Mapping[str, Any]) -> str:
        # A key may itself contain a dot.
        if self._column in item:
            return joined_text(item[self._column], [], row, self._column)
        return joined_text(item, self._path, row, self._column)
