"""Reading local files of one kind as memory-mapped tables in the cache."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlm_core.data.csv_tables import table_options
from mlm_core.data.errors import dataset_error
from mlm_core.data.file_errors import find_file_error
from mlm_core.data.library_errors import first_cause
from mlm_core.data.local_files import LocalFiles
from mlm_core.data.plain_copies import plain_file
from mlm_core.data.sealed_cache import alone_in, empty, is_sealed, seal
from mlm_core.data.typed_tables import typed_files
from mlm_core.errors import MlmError, RunError
from mlm_core.system.cache import cache_directory, unwritable_cache
from mlm_core.system.os_errors import OF_THE_MACHINE


def read_files(files: LocalFiles, wanted: str | None, say: Callable[[str], None]) -> dict[str, Any]:
    """A `datasets.Dataset` by split; for JSON, a table of lines.

    Args:
        files: the files, all of one kind.
        wanted: the value of `--text-column`, or None.
        say: is told if a damaged copy in the cache is made again.

    Raises:
        RequestError: a file is malformed; the message names it and, where known, the line.
        RunError: the cache cannot be written.
    """
    cache = cache_directory() / "datasets" / _state(files)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_cache(error) from None
    with alone_in(cache):
        return _read_into(cache, files, wanted, say)


def _read_into(
    cache: Path, files: LocalFiles, wanted: str | None, say: Callable[[str], None]
) -> dict[str, Any]:
    again = f"the copy of {_name_of(files)} in the cache is incomplete or damaged; it is made again"
    held = is_sealed(cache)
    if not held and any(cache.iterdir()):
        say(again)
        empty(cache)
    try:
        return _sealed(_load(files, wanted, cache), cache)
    except MlmError:
        raise
    except Exception as error:
        if held and not is_sealed(cache):
            # It has changed since it was looked at.
            say(again)
            empty(cache)
            return _read_into(cache, files, wanted, say)
        machine = _of_the_machine(error)
        if machine is not None:
            raise machine from None
        # Each reader has its own exceptions, and few of them name the file and the line.
        raise (find_file_error(files) or _unreadable(files, error)) from None


def _sealed(found: dict[str, Any], cache: Path) -> dict[str, Any]:
    try:
        seal(cache)
    except OSError as error:
        raise unwritable_cache(error) from None
    return found


def _of_the_machine(error: BaseException) -> MlmError | None:
    """The error of the machine or the cache behind an error of the reader; None: it is about the files."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in OF_THE_MACHINE:
            return unwritable_cache(cause)
        if isinstance(cause, RuntimeError) and "start new thread" in str(cause):
            return RunError(
                "the system gives this process no more threads",
                code="system_error",
                fix="raise the limit of processes and threads (ulimit -u)",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def _load(files: LocalFiles, wanted: str | None, cache: Path) -> dict[str, Any]:
    import datasets

    kind = files.kind
    builder, options = kind.builder, dict(kind.options)
    splits = {
        name: [plain_file(path, kind, cache) for path in paths] for name, paths in files.by_split().items()
    }
    if builder == "csv":
        options = dict(table_options(files, wanted))
    if builder == "json":
        builder, options = "text", {"encoding": "utf-8-sig"}
    if builder in ("parquet", "arrow"):
        every = [path for paths in splits.values() for path in paths]
        typed = typed_files(every, builder, wanted, _name_of(files), cache)
        splits = {
            name: [typed.paths[path] for path in paths if path in typed.paths]
            for name, paths in splits.items()
        }
        for name in (name for name, paths in splits.items() if not paths):
            raise dataset_error(_name_of(files), f"its split {name} holds no rows", "empty_file")
        options = dict(typed.options)
    # `datasets` treats a name with brackets or stars as a pattern, even if such a file exists.
    escaped = {name: [glob.escape(str(path.absolute())) for path in paths] for name, paths in splits.items()}
    found: dict[str, Any] = datasets.load_dataset(
        builder, data_files=escaped, cache_dir=str(cache), **options
    )
    if builder == "csv":
        # The reader says nothing: extra fields in the first row become an index, missing fields become empty.
        filled_up = any(_ends_in_nothing(rows) for rows in found.values())
        ragged = find_file_error(files, first_row_only=not filled_up)
        if ragged is not None:
            raise ragged
    return found


def _name_of(files: LocalFiles) -> str:
    """The name of local files in a message: their directory, or the first of them."""
    return str(files.directory or files.paths[0])


def _state(files: LocalFiles) -> str:
    """A name for these files in their present state; `datasets` itself compares only the path and a date."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files.paths:
        now = path.stat()
        facts = [str(path.absolute()), now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino]
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _ends_in_nothing(rows: Any) -> bool:
    """Whether the last column has an empty cell: the sign of a row with too few fields."""
    import pyarrow.compute

    names = rows.column_names
    last = rows.data.column(names[-1])
    return last.null_count > 0 or bool(pyarrow.compute.any(pyarrow.compute.equal(last, "")).as_py())


def _unreadable(files: LocalFiles, error: Exception) -> MlmError:
    name = _name_of(files)
    reason = first_cause(error)
    if "corresponds to no data" in reason:
        return dataset_error(name, "holds no rows", "empty_file")
    return dataset_error(name, f"cannot be read ({reason})", "malformed_file")
