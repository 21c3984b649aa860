"""Reading local files of one kind as memory-mapped tables in the cache."""

from __future__ import annotations

import glob
import hashlib
import json
from pathlib import Path
from typing import Any

from mlm_core.data.compression import open_text
from mlm_core.data.csv_tables import table_options
from mlm_core.data.errors import dataset_error
from mlm_core.data.file_errors import find_file_error
from mlm_core.data.json_lines import array_lines, is_one_value
from mlm_core.data.library_errors import first_cause
from mlm_core.data.local_files import LocalFiles
from mlm_core.errors import MlmError
from mlm_core.system.cache import cache_directory, unwritable_cache
from mlm_core.system.files import write_atomically


def read_files(files: LocalFiles) -> dict[str, Any]:
    """A `datasets.Dataset` by split; for JSON, a table of lines.

    Raises:
        RequestError: a file is malformed; the message names it and, where known, the line.
        RunError: the cache cannot be written.
    """
    cache = cache_directory() / "datasets" / _state(files)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_cache(error) from None
    try:
        return _load(files, cache, afresh=False)
    except MlmError:
        raise
    except Exception:
        # Each reader has its own exceptions, and few of them name the file and the line.
        found = find_file_error(files)
    if found is not None:
        raise found
    try:
        # The files are right, so the copy of them in the cache may be damaged.
        return _load(files, cache, afresh=True)
    except MlmError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unwritable_cache(error) from None
        raise _unreadable(files, error) from None


def _load(files: LocalFiles, cache: Path, *, afresh: bool) -> dict[str, Any]:
    import datasets

    builder, options = files.kind.builder, dict(files.kind.options)
    splits = files.by_split()
    if builder == "csv":
        options = dict(table_options(files))
    if builder == "json":
        builder, options = "text", {"encoding": "utf-8-sig"}
        splits = {
            name: [_lines(path, cache, afresh=afresh) for path in paths] for name, paths in splits.items()
        }
    # `datasets` treats a name with brackets or stars as a pattern, even if such a file exists.
    escaped = {name: [glob.escape(str(path.absolute())) for path in paths] for name, paths in splits.items()}
    mode = "force_redownload" if afresh else "reuse_dataset_if_exists"
    found: dict[str, Any] = datasets.load_dataset(
        builder, data_files=escaped, cache_dir=str(cache), download_mode=mode, **options
    )
    if builder == "csv":
        # The reader says nothing: extra fields in the first row become an index, missing fields become empty.
        filled_up = any(_ends_in_nothing(rows) for rows in found.values())
        ragged = find_file_error(files, first_row_only=not filled_up)
        if ragged is not None:
            raise ragged
    return found


def _state(files: LocalFiles) -> str:
    """A name for these files in their present state; `datasets` itself compares only the path and a date."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files.paths:
        now = path.stat()
        facts = [str(path.absolute()), now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino]
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _lines(path: Path, cache: Path, *, afresh: bool) -> Path:
    """The file itself if it has one object a line, else a copy that has; the copy is made once."""
    name = hashlib.blake2b(str(path.absolute()).encode(), digest_size=8).hexdigest()
    copy = cache / f"{name}.jsonl"
    if copy.exists() and not afresh:
        return copy
    with open_text(path) as file:
        if not is_one_value(file):
            return path
        file.seek(0)
        lines = array_lines(file.read())
    write_atomically(copy, "\n".join(lines).encode())
    return copy


def _ends_in_nothing(rows: Any) -> bool:
    """Whether the last column has an empty cell: the sign of a row with too few fields."""
    import pyarrow.compute

    names = rows.column_names
    last = rows.data.column(names[-1])
    return last.null_count > 0 or bool(pyarrow.compute.any(pyarrow.compute.equal(last, "")).as_py())


def _unreadable(files: LocalFiles, error: Exception) -> MlmError:
    name = str(files.directory or files.paths[0])
    reason = first_cause(error)
    if "corresponds to no data" in reason:
        return dataset_error(name, "holds no rows", "empty_file")
    return dataset_error(name, f"cannot be read ({reason})", "malformed_file")
