"""Reading local files of one kind as tables that lie in our cache, memory-mapped."""

from __future__ import annotations

import glob
import hashlib
import json
from pathlib import Path
from typing import Any

from mlm_core.data.compression import open_text
from mlm_core.data.errors import dataset_refusal
from mlm_core.data.file_errors import find_fault
from mlm_core.data.json_rows import array_lines, is_whole
from mlm_core.data.library_errors import first_cause
from mlm_core.data.local_files import LocalFiles
from mlm_core.data.tables import table_options
from mlm_core.errors import MlmError
from mlm_core.system.cache import cache_directory, unwritable_cache
from mlm_core.system.files import write_atomically


def read_files(files: LocalFiles) -> dict[str, Any]:
    """A `datasets.Dataset` by split; of JSON, a table of lines.

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
        # Each reader has exceptions of its own, and few say which file and where.
        fault = find_fault(files)
    if fault is not None:
        raise fault
    try:
        # Nothing is wrong with the files, so perhaps with the copy that was made of them.
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
    # The library takes a name with brackets or stars for a pattern, even where such a file is there.
    escaped = {name: [glob.escape(str(path.absolute())) for path in paths] for name, paths in splits.items()}
    mode = "force_redownload" if afresh else "reuse_dataset_if_exists"
    found: dict[str, Any] = datasets.load_dataset(
        builder, data_files=escaped, cache_dir=str(cache), download_mode=mode, **options
    )
    if builder == "csv":
        # Silent otherwise: fields too many in the first row become an index, missing ones are filled up.
        filled_up = any(_ends_in_nothing(rows) for rows in found.values())
        fault = find_fault(files, first_row_only=not filled_up)
        if fault is not None:
            raise fault
    return found


def _state(files: LocalFiles) -> str:
    """A name for these files as they are now; the library itself looks at the path and one date only."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files.paths:
        now = path.stat()
        facts = [str(path.absolute()), now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino]
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _lines(path: Path, cache: Path, *, afresh: bool) -> Path:
    """The file itself if it has an object a line, else a copy that does, made once."""
    name = hashlib.blake2b(str(path.absolute()).encode(), digest_size=8).hexdigest()
    copy = cache / f"{name}.jsonl"
    if copy.exists() and not afresh:
        return copy
    with open_text(path) as file:
        if not is_whole(file):
            return path
        file.seek(0)
        lines = array_lines(file.read())
    write_atomically(copy, "\n".join(lines).encode())
    return copy


def _ends_in_nothing(rows: Any) -> bool:
    import pyarrow.compute

    names = rows.column_names
    last = rows.data.column(names[-1])
    return last.null_count > 0 or bool(pyarrow.compute.any(pyarrow.compute.equal(last, "")).as_py())


def _unreadable(files: LocalFiles, error: Exception) -> MlmError:
    name = str(files.directory or files.paths[0])
    reason = first_cause(error)
    if "corresponds to no data" in reason:
        return dataset_refusal(name, "holds no rows", "empty_file")
    return dataset_refusal(name, f"cannot be read ({reason})", "malformed_file")
