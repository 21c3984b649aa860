"""Opening a dataset with the `datasets` library: local files, the Hub, or an object given from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlm_core.config.data import DataConfig
from mlm_core.data.check_source import check_dataset
from mlm_core.data.given_texts import as_dataset
from mlm_core.data.hub_dataset import hub_splits
from mlm_core.data.library_errors import explain_library_error, first_cause
from mlm_core.data.local_files import LocalFiles, is_saved_dataset, listed
from mlm_core.data.quiet_library import quiet_library
from mlm_core.data.read_files import read_files
from mlm_core.data.splits import Splits, select_rows
from mlm_core.errors import MlmError, RequestError, RunError


@dataclass(frozen=True)
class OpenedDataset:
    """A dataset's rows.

    Attributes:
        splits: by name; a single split where `--split` selected it.
        kind: what the rows are: "text" is lines without columns, "json" lines of JSON, "csv" a table whose
            columns are all strings; anything else has columns with types.
        files: the local files that the rows were read from, if any.
    """

    splits: Splits
    kind: str = "arrow"
    files: LocalFiles | None = None


def open_dataset(config: DataConfig, say: Callable[[str], None]) -> OpenedDataset:
    """The rows of `config.dataset`; `say` is told what is not read.

    Raises:
        RequestError: the dataset cannot be found or read; the message names the file and, where known, the
            line.
        RunError: the Hub failed, or the cache cannot be written.
    """
    assert config.dataset is not None
    files = check_dataset(config)
    for held in listed(files.left_out) if files is not None else ():
        say(f"not read in {config.dataset}: {held}")
    with quiet_library():
        if files is not None:
            rows = read_files(files, config.text_column, say)
            return OpenedDataset(_selected(rows, config), files.kind.builder, files)
        if is_saved_dataset(config.dataset):
            return _from_disk(config)
        return OpenedDataset(hub_splits(config))


def given_dataset(dataset: Any, split: str | None) -> OpenedDataset:
    """The rows of a `datasets.Dataset` or `DatasetDict`, of a list of texts or of a pandas data frame.

    Raises:
        RequestError: `dataset` is something else, has a transform, or has no such split.
    """
    import datasets

    rows = as_dataset(dataset)
    splits = {"train": rows} if isinstance(rows, datasets.Dataset) else rows
    if any(rows.format["type"] == "custom" for rows in splits.values()):
        raise RequestError(
            "has a transform, which would be ignored",
            code="transformed_dataset",
            option="dataset",
            fix="apply it first with dataset.map",
        )
    return OpenedDataset(select_rows(splits, split))


def _selected(rows: Mapping[str, Any], config: DataConfig) -> Splits:
    """The rows of `--split`; the library reads the copy in the cache again, which may just have changed."""
    try:
        return select_rows(rows, config.split)
    except MlmError:
        raise
    except Exception as error:
        raise RunError(
            f"the copy of {config.dataset} in the cache cannot be read ({first_cause(error)}): it has "
            "changed since it was opened",
            code="changed_store",
            fix="start again: the text is prepared again",
        ) from None


def _from_disk(config: DataConfig) -> OpenedDataset:
    import datasets

    try:
        opened = datasets.load_from_disk(str(config.dataset))
    except OSError:
        raise
    except Exception as error:
        raise explain_library_error(error, config) from None
    return given_dataset(opened, config.split)
