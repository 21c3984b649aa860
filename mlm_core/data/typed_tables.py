"""Parquet and Arrow files: only the column with the text is read.

Other columns may then differ from file to file, in their types or in being there at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlm_core.data.errors import dataset_error
from mlm_core.data.table_columns import check_names, choose_table_column, text_columns
from mlm_core.system.files import atomic_file

_ROWS = 1000
"""Rows that are copied at a time."""


@dataclass(frozen=True)
class TypedFiles:
    """Files that `datasets` can read.

    Attributes:
        paths: a path, or that of its copy, by the path that was given; files without rows are left out.
        options: the options with which `datasets` reads them.
    """

    paths: Mapping[Path, Path]
    options: Mapping[str, Any]


def typed_files(
    paths: Sequence[Path], builder: str, wanted: str | None, dataset: str, cache: Path
) -> TypedFiles:
    """The files with the column with the text; files in which it is otherwise or missing are copied.

    Args:
        paths: the files, not compressed as a whole.
        builder: "parquet" or "arrow".
        wanted: the value of `--text-column`, or None.
        dataset: the dataset's name in an error.
        cache: the directory for copies.

    Raises:
        RequestError: it is not clear which column is the text, or its types do not agree.
    """
    import datasets
    import pyarrow

    schemas = {path: _schema(path, builder) for path in paths}
    for path, schema in schemas.items():
        check_names(schema.names, path, "rename one of them")
    filled = [path for path in paths if _has_rows(path, builder)]
    if builder == "arrow" and len(set(schemas.values())) == 1 and not any(map(_odd, schemas[paths[0]].types)):
        features = datasets.Features.from_arrow_schema(schemas[paths[0]])
        choose_table_column(features, wanted, dataset)
        return TypedFiles({path: path for path in filled}, {})
    features = _features(list(schemas.values()))
    column = choose_table_column(features, wanted, dataset)
    name = column if column in features else column.split(".")[0]
    target = _common_type(schemas, name)
    feature = features[name]
    if feature.__class__.__name__ != "Json" and datasets.Features({name: feature}).type[0].type != target:
        feature = datasets.Features.from_arrow_schema(pyarrow.schema([(name, target)]))[name]
    wanted_features = datasets.Features({name: feature})
    ready = {}
    for path in filled:
        schema = schemas[path]
        fits = builder == "parquet" and name in schema.names and schema.field(name).type in (target, _null())
        ready[path] = path if fits else _copied(path, builder, name, wanted_features, cache)
    options = {"columns": [name], "features": wanted_features} if builder == "parquet" else {}
    return TypedFiles(ready, options)


def _schema(path: Path, builder: str) -> Any:
    import pyarrow.parquet

    if builder == "parquet":
        return pyarrow.parquet.read_schema(path)
    with pyarrow.memory_map(str(path)) as file:
        return _arrow_reader(file).schema


def _has_rows(path: Path, builder: str) -> bool:
    import pyarrow.parquet

    if builder == "parquet":
        return bool(pyarrow.parquet.read_metadata(path).num_rows)
    with pyarrow.memory_map(str(path)) as file:
        return any(batch.num_rows for batch in _batches(_arrow_reader(file)))


def _batches(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "read_next_batch"):
        yield from reader
    else:
        yield from map(reader.get_batch, range(reader.num_record_batches))


def _arrow_reader(file: Any) -> Any:
    import pyarrow

    try:
        return pyarrow.ipc.open_stream(file)
    except (OSError, pyarrow.ArrowInvalid):
        file.seek(0)
        return pyarrow.ipc.open_file(file)


def _null() -> Any:
    import pyarrow

    return pyarrow.null()


def _odd(kind: Any) -> bool:
    """Whether `datasets` may have no feature for a type."""
    import pyarrow

    return bool(
        pyarrow.types.is_dictionary(kind) or pyarrow.types.is_map(kind) or pyarrow.types.is_union(kind)
    )


def _plain(kind: Any) -> Any:
    """A type without an encoding by a dictionary, which pandas writes for categories."""
    import pyarrow

    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind


def _features(schemas: Sequence[Any]) -> dict[str, Any]:
    """The `datasets` features of all files together; columns that `datasets` does not know are left out."""
    import datasets
    import pyarrow

    found: dict[str, Any] = {}
    for schema in schemas:
        known = {}
        try:
            known = dict(datasets.Features.from_arrow_schema(schema))
        except Exception:
            # A column that nobody asked for may have a type of anyone's.
            for field in schema:
                try:
                    single = pyarrow.schema([(field.name, _plain(field.type))])
                    known |= dict(datasets.Features.from_arrow_schema(single))
                except Exception:
                    continue
        for name, feature in known.items():
            # A type that holds text, or holds anything, says more than the type of an empty column.
            nothing = getattr(found.get(name), "dtype", None) == "null"
            if (
                name not in found
                or nothing
                or (text_columns({name: feature}) and not text_columns({name: found[name]}))
            ):
                found[name] = feature
    return found


def _common_type(schemas: Mapping[Path, Any], name: str) -> Any:
    """The type of a column in all files; a file with nothing in the column has none."""
    import pyarrow

    kinds = {
        path: _plain(schema.field(name).type) for path, schema in schemas.items() if name in schema.names
    }
    kinds = {path: kind for path, kind in kinds.items() if kind != pyarrow.null()}
    if not kinds:
        return pyarrow.string()
    single = [pyarrow.schema([(name, kind)]) for kind in dict.fromkeys(kinds.values())]
    try:
        return pyarrow.unify_schemas(single, promote_options="permissive").field(name).type
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        (first, kind), (other, different) = next(
            (pair, item) for pair in kinds.items() for item in kinds.items() if item[1] != pair[1]
        )
        raise dataset_error(
            str(other),
            f"its column {name} holds {different}, but {kind} in {first.name}",
            "mixed_columns",
            "give files with the same kind of text, or one file at a time",
        ) from None


def _copied(path: Path, builder: str, name: str, features: Any, cache: Path) -> Path:
    """A copy of a file with this column alone; rows without it hold nothing."""
    import pyarrow
    import pyarrow.parquet

    key = hashlib.blake2b(f"{path.absolute()}\n{name}".encode(), digest_size=8).hexdigest()
    copy = cache / f"{key}.column.{builder}"
    if copy.exists():
        return copy
    schema = features.arrow_schema
    with atomic_file(copy) as target:
        if builder == "parquet":
            writer = pyarrow.parquet.ParquetWriter(target, schema)
        else:
            writer = pyarrow.ipc.new_stream(target, schema)
        with writer:
            for cells in _cells(path, builder, name):
                if pyarrow.types.is_dictionary(cells.type):
                    cells = cells.dictionary_decode()
                batch = pyarrow.record_batch([cells.cast(schema.field(name).type)], schema=schema)
                writer.write_batch(batch)
    return copy


def _cells(path: Path, builder: str, name: str) -> Iterator[Any]:
    import pyarrow.parquet

    if builder == "parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            if name not in file.schema_arrow.names:
                yield pyarrow.nulls(file.metadata.num_rows)
                return
            for batch in file.iter_batches(_ROWS, columns=[name]):
                yield batch.column(0)
        return
    with pyarrow.memory_map(str(path)) as mapped:
        reader = _arrow_reader(mapped)
        for batch in _batches(reader):
            yield batch.column(name) if name in reader.schema.names else pyarrow.nulls(batch.num_rows)
