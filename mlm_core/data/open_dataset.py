"""Opening a dataset with the `datasets` library: local files of every usual kind, or the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlm_core.config.config import DataConfig
from mlm_core.data.errors import bad_split, dataset_refusal
from mlm_core.data.hub_dataset import hub_splits
from mlm_core.data.library_errors import explained, quiet_library
from mlm_core.data.local_files import LocalFiles, local_files, saved_dataset
from mlm_core.data.read_files import read_files
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
        kind: what the rows are: "text" is lines without columns, "json" lines of JSON, "csv" a table
            whose every column is strings; anything else has columns with types.
        files: what it was read from, where that is local.
    """

    splits: Splits
    kind: str = "arrow"
    files: LocalFiles | None = None


def check_dataset(config: DataConfig) -> LocalFiles | None:
    """Refuse a dataset that can be seen to be wrong without reading it; returns the files it names, if any.

    Raises:
        RequestError: no such file, an unknown kind of file, an empty one, or a dataset that is gone; or
            an option for another kind of dataset.
    """
    name = config.dataset
    if name is not None and name.lower() in _GONE:
        raise dataset_refusal(
            name, "is a script, which no longer loads from the Hub", "gone_dataset", _ELI5_FIX
        )
    saved = name is not None and saved_dataset(name)
    files = local_files(name) if name is not None and not saved else None
    for option, value in (
        ("--dataset-config", config.dataset_config),
        ("--dataset-revision", config.dataset_revision),
    ):
        if value is not None and (name is None or saved or files is not None):
            found = "the embedded corpus" if name is None else f"{name}, which is local,"
            raise RequestError(
                f"is for a dataset on the Hub; {found} has none",
                code="usage",
                option=option,
                value=value,
                fix="leave it out",
            )
    return files


def open_dataset(config: DataConfig) -> OpenedDataset:
    """The rows of `config.dataset`.

    Raises:
        RequestError: it cannot be found or read; the message names the file and, where known, the line.
        RunError: the Hub failed.
    """
    assert config.dataset is not None
    files = check_dataset(config)
    with quiet_library():
        if files is not None:
            return OpenedDataset(_picked(read_files(files), config.split), files.kind.builder, files)
        if saved_dataset(config.dataset):
            return _from_disk(config)
        return OpenedDataset(hub_splits(config))


def given_dataset(dataset: Any, split: str | None) -> OpenedDataset:
    """The rows of a `datasets.Dataset` or `DatasetDict`.

    Raises:
        RequestError: it is something else, or has no such split.
    """
    import datasets

    if isinstance(dataset, datasets.Dataset):
        dataset = {"train": dataset}
    if isinstance(dataset, Mapping) and all(isinstance(rows, datasets.Dataset) for rows in dataset.values()):
        if any(rows.format["type"] == "custom" for rows in dataset.values()):
            raise RequestError(
                "has a transform, which would be left out",
                code="transformed_dataset",
                option="dataset",
                fix="apply it first with dataset.map",
            )
        return OpenedDataset(_picked(dataset, split))
    raise RequestError(
        "is neither a datasets.Dataset nor a DatasetDict",
        code="invalid_type",
        option="dataset",
        value=type(dataset).__name__,
        fix="make one, with datasets.Dataset.from_dict({'text': texts}) or from_pandas, or name a file",
    )


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
    if any(part.from_ >= min(part.to, lengths[part.splitname]) for part in slices):
        raise bad_split(split, f"picks no rows of {max(lengths.values()):,}")
    parts = [splits[part.splitname].select(range(part.from_, part.to)) for part in slices]
    return {"train": datasets.concatenate_datasets(parts)}
