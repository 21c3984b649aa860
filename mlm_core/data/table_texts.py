"""The texts in one column of a table, which may be nested."""

from __future__ import annotations

from typing import Any

import pyarrow
import pyarrow.compute

from mlm_core.data.documents import Rows
from mlm_core.data.json_lines import parsed
from mlm_core.data.nested_text import joined_text
from mlm_core.data.table_columns import holds_json


class TableTexts:
    """The texts of one column, for example `answers.text`; lists of strings are joined with one space.

    Args:
        rows: a `datasets.Dataset`.
        column: the column's name, or the path to a nested column.
    """

    def __init__(self, rows: Any, column: str) -> None:
        self._rows = rows
        self._column = column
        self._path = [column] if column in rows.column_names else column.split(".")
        # As Arrow: of a nested column, only the part that is needed becomes Python objects.
        self._cells = rows.select_columns(self._path[:1]).with_format("arrow")
        self._encoded = holds_json(rows.features, column)

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, rows: Rows) -> list[str]:
        """See `Texts.fetch`.

        Raises:
            RequestError: a cell holds a value that is not text.
        """
        name, *path = self._path
        cells = self._cells[rows.tolist()][name]
        while path and pyarrow.types.is_struct(cells.type):
            cells = pyarrow.compute.struct_field(cells, path.pop(0))
        found = zip(rows.tolist(), cells.to_pylist(), strict=True)
        return [self._text(row, cell, path) for row, cell in found]

    def raw(self, row: int) -> Any:
        """See `Texts.raw`."""
        return self._rows[row]

    def _text(self, row: int, cell: Any, path: list[str]) -> str:
        if self._encoded and cell is not None:
            cell = parsed(cell)
        return joined_text(cell, path, row, self._column)
