"""Parquet files: only the column with the text is read.

Other columns may then differ from file to file, in their types or in being there at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlm_core.data.default_column import DEFAULT


def parquet_options(paths: Sequence[Path], wanted: str | None) -> dict[str, Any]:
    """The options with which `datasets` reads these files: the column with the text, where it is clear.

    Args:
        paths: the files, not compressed as a whole.
        wanted: the value of `--text-column`, or None.
    """
    import pyarrow
    import pyarrow.parquet

    schemas = [pyarrow.parquet.read_schema(path) for path in paths]
    name = (wanted or DEFAULT).split(".")[0] if (wanted or "") not in schemas[0].names else wanted
    if not all(name in schema.names for schema in schemas):
        return {}
    options: dict[str, Any] = {"columns": [name]}
    types = {schema.field(name).type for schema in schemas} - {pyarrow.null()}
    if types and types <= {pyarrow.string(), pyarrow.large_string()}:
        # An empty file, or one with nothing in this column, has no type.
        import datasets

        options["features"] = datasets.Features({str(name): datasets.Value("string")})
    return options
