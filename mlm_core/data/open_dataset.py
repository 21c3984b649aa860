"""Opening a dataset with the `datasets` library: local files of every usual kind, or the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlm_core.cache import cache_directory
from mlm_core.config import DataConfig
from mlm_core.data.file_faults import find_fault
from mlm_core.data.hub_dataset import hub_splits
from mlm_core.data.library_errors import explained, quiet_library
from mlm_core.data.local_files import LocalFiles, local_files, saved_dataset
from mlm_core.data.refusals import bad_split, dataset_refusal
from mlm_core.errors import RequestError, first_line

Splits = Mapping[str, Any]
"""`datasets.Dataset` by split name."""

_GONE = {"eli5", "eli5_category", "rexarski/eli5_category"}
_ELI5_FIX = (
    "its parquet copy works: --dataset dany0407/eli5_category --dataset-revision refs/convert/parquet "
    "--split 'train[:5000]' --text-column answers.text"
)


@dataclass(frozen=True)
class OpenedDataset:
    """A dataset's rows.

    Attributes:
        splits: by name; one of them where `--split` chose it.
        lines: the rows are lines of plain text, so there are no columns to choose from.
    """

    splits: Splits
    lines: bool = False


def check_dataset(config: DataConfig) -> None:
    """Refuse a dataset that can be seen to be wrong without reading it.

    Raises:
        RequestError: no such file, an unknown kind of file, an empty one, or a dataset that is gone; or
            an option for another kind of dataset.
    """
    name = config.dataset
    if name is not None and name.lower() in _GONE:
        raise dataset_refusal(
            name, "is a script, which no longer loads from the Hub", "gone_dataset", _ELI5_FIX
        )
    local = name is None or saved_dataset(name) or local_files(name) is not None
    for option, value in (
        ("--dataset-config", config.dataset_config),
        ("--dataset-revision", config.dataset_revision),
    ):
        if value is not None and local:
            found = "the embedded corpus" if name is None else f"{name}, which is local,"
            raise RequestError(
                f"is for a dataset on the Hub; {found} has none",
                code="usage",
                option=option,
                value=value,
                fix="leave it out",
            )


def open_dataset(config: DataConfig) -> OpenedDataset:
    """The rows of `config.dataset`.

    Raises:
        RequestError: it cannot be found or read; the message names the file and, where known, the line.
        RunError: the Hub failed.
    """
    assert config.dataset is not None
    check_dataset(config)
    with quiet_library():
        if saved_dataset(config.dataset):
            return _from_disk(config)
        files = local_files(config.dataset)
        return OpenedDataset(hub_splits(config)) if files is None else _from_files(files, config)


def given_dataset(dataset: Any, split: str | None) -> OpenedDataset:
    """The rows of a `datasets.Dataset` or `DatasetDict`.

    Raises:
        RequestError: it is something else, or has no such split.
    """
    import datasets

    if isinstance(dataset, datasets.Dataset):
        dataset = {"train": dataset}
    if isinstance(dataset, Mapping) and all(isinstance(rows, datasets.Dataset) for rows in dataset.values()):
        return OpenedDataset(_picked(dataset, split))
    raise RequestError(
        "is neither a datasets.Dataset nor a DatasetDict",
        code="invalid_type",
        option="dataset",
        value=type(dataset).__name__,
        fix="datasets.Dataset.from_dict({'text': texts}) makes one of a list",
    )


def _from_files(files: LocalFiles, config: DataConfig) -> OpenedDataset:
    import datasets

    # Our own cache: copies of local files do not belong among the Hub's.
    cache = str(cache_directory() / "datasets")
    try:
        opened = datasets.load_dataset(
            files.kind.builder, data_files=files.by_split(), cache_dir=cache, **files.kind.options
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # Each reader has exceptions of its own.
        raise find_fault(files) or explained(error, config) from None
    if files.kind.builder == "csv":
        # Silent otherwise: fields too many in the first row become an index, missing ones are filled up.
        filled_up = any(_ends_in_nothing(rows) for rows in opened.values())
        fault = find_fault(files, first_row_only=not filled_up)
        if fault is not None:
            raise fault
    return OpenedDataset(_picked(opened, config.split), lines=files.kind.builder == "text")


def _ends_in_nothing(rows: Any) -> bool:
    names = rows.column_names
    return bool(names) and rows.data.column(names[-1]).null_count > 0


def _from_disk(config: DataConfig) -> OpenedDataset:
    import datasets

    try:
        opened = datasets.load_from_disk(str(config.dataset))
    except OSError:
        raise
    except Exception as error:
        raise explained(error, config) from None
    return given_dataset(opened, config.split)


def _picked(splits: Splits, split: str | None) -> Splits:
    """All splits, or the rows of one slice such as train[:5000]."""
    import datasets

    if split is None:
        return splits
    try:
        lengths = {name: len(rows) for name, rows in splits.items()}
        slices = datasets.ReadInstruction.from_spec(split).to_absolute(lengths)
    except (ValueError, AssertionError) as error:
        raise bad_split(split, first_line(error)) from None
    parts = [splits[part.splitname].select(range(part.from_, part.to)) for part in slices]
    return {"train": datasets.concatenate_datasets(parts)}
