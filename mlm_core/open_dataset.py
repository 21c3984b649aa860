"""Opening a dataset with the `datasets` library: local files of every usual kind, or the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mlm_core.cache import cache_directory
from mlm_core.config import DataConfig
from mlm_core.errors import MlmError, RequestError, RunError, first_line
from mlm_core.file_faults import find_fault
from mlm_core.local_files import LocalFiles, local_files, saved_dataset

Splits = Mapping[str, Any]
"""`datasets.Dataset` by split name."""

_GONE = {"eli5", "eli5_category", "rexarski/eli5_category"}
_ELI5_FIX = (
    "its parquet copy works: --dataset dany0407/eli5_category --dataset-revision refs/convert/parquet "
    "--split 'train[:5000]' --text-column answers.text"
)
_HUB_TIMEOUT = 20.0
"""Seconds after which the Hub counts as unreachable."""


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
        raise _refusal(name, "is a script, which no longer loads from the Hub", "gone_dataset", _ELI5_FIX)
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
    with _quiet_library():
        if saved_dataset(config.dataset):
            return _from_disk(config)
        files = local_files(config.dataset)
        return _from_hub(config) if files is None else _from_files(files, config)


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
        raise find_fault(files) or _explained(error, config) from None
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
        raise _explained(error, config) from None
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
        raise _bad_split(split, first_line(error)) from None
    parts = [splits[part.splitname].select(range(part.from_, part.to)) for part in slices]
    return {"train": datasets.concatenate_datasets(parts)}


def _from_hub(config: DataConfig) -> OpenedDataset:
    import datasets
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    assert config.dataset is not None
    name, revision = config.dataset, config.dataset_revision
    # Whatever fails, the library takes the latest copy in its cache, of any revision: each has its own.
    own = None if revision is None else str(cache_directory() / "revisions" / quote(revision, safe=""))
    try:
        if not constants.HF_HUB_OFFLINE:
            # Asked first: the library's own attempts take half a minute where there is no network.
            HfApi().dataset_info(name, revision=revision, timeout=_HUB_TIMEOUT)
        opened = datasets.load_dataset(
            name, config.dataset_config, split=config.split, revision=revision, cache_dir=own
        )
    except (GatedRepoError, DatasetNotFoundError):
        # The Hub tells about a gated dataset, so that the library is the first to find it closed.
        reason, fix = "is gated", "accept its terms on the Hub and log in with hf auth login"
    except RevisionNotFoundError:
        reason, fix = f"has no revision {revision}", "check --dataset-revision"
    except (RepositoryNotFoundError, HFValidationError):
        reason = "no such file, and no such dataset on the Hub"
        fix = "check the name; a private dataset needs hf auth login"
    except HfHubHTTPError as error:
        raise RunError(f"the Hub failed ({first_line(error)})", code="hub_failed", value=name) from None
    except FileNotFoundError as error:
        if LocalEntryNotFoundError.__name__ in str(error):
            raise RunError("the Hub failed to give a file", code="hub_failed", value=name) from None
        # How the library says that a repository holds no data it can read.
        raise _explained(error, config) from None
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError):
            raise
        reason, fix = "no such file, and the Hub cannot be reached", "give a local file, or connect"
        if not constants.HF_HUB_OFFLINE:
            fix += "; HF_HUB_OFFLINE=1 takes an earlier download"
    except Exception as error:
        raise _explained(error, config) from None
    else:
        return OpenedDataset(opened if isinstance(opened, Mapping) else {"train": opened})
    raise _refusal(name, reason, "missing_dataset", fix)


def _explained(error: Exception, config: DataConfig) -> MlmError:
    """The library's error as one line."""
    said = str(error)
    name = str(config.dataset)
    if "scripts are no longer supported" in said:
        fix = "look for a parquet copy of it, often at --dataset-revision refs/convert/parquet"
        return _refusal(name, "is a script, which no longer loads", "gone_dataset", fix)
    if "onfig name is missing" in said or "BuilderConfig" in said:
        return RequestError(
            " ".join(said.split()),
            code="bad_dataset_config",
            option="--dataset-config",
            value=config.dataset_config,
        )
    if config.split is not None and ("Unknown split" in said or "instruction" in said):
        return _bad_split(config.split, first_line(error))
    return _refusal(name, f"cannot be read ({first_line(error.__cause__ or error)})", "malformed_file")


def _bad_split(split: str, reason: str) -> RequestError:
    fix = "write it as train, train[:5000], train[10%:20%] or train+test"
    return RequestError(reason.rstrip("."), code="bad_split", option="--split", value=split, fix=fix)


@contextmanager
def _quiet_library() -> Iterator[None]:
    """The library logs what fails at length and draws bars of its own; both are told here in one line."""
    import datasets
    from huggingface_hub import utils as hub

    # The second one reads cards and downloads for the first.
    libraries = [(datasets.logging, datasets), (hub.logging, hub)]
    before = [(log.get_verbosity(), bars.are_progress_bars_disabled()) for log, bars in libraries]
    for log, bars in libraries:
        log.set_verbosity(log.CRITICAL)
        bars.disable_progress_bars()
    try:
        yield
    finally:
        for (log, bars), (level, disabled) in zip(libraries, before, strict=True):
            log.set_verbosity(level)
            if not disabled:
                bars.enable_progress_bars()


def _refusal(value: str, message: str, code: str, fix: str | None = None) -> RequestError:
    return RequestError(message, code=code, option="--dataset", value=value, fix=fix)
