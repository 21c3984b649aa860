"""Checks of a request for text that need no reading of the text."""

from __future__ import annotations

from mlm_core.config.data import DataConfig
from mlm_core.data.embedded_corpus import PARTS, embedded_part
from mlm_core.data.errors import dataset_error
from mlm_core.data.local_files import LocalFiles, is_saved_dataset, local_files
from mlm_core.errors import RequestError

_GONE = {"eli5", "eli5_category", "rexarski/eli5_category"}
_ELI5_FIX = (
    "its parquet copy works: --dataset dany0407/eli5_category --dataset-revision refs/convert/parquet "
    "--split 'train[:5000]' --text-column answers.text"
)


def check_source(config: DataConfig) -> None:
    """Reject a request for text that is wrong on its face.

    Raises:
        RequestError: see `check_dataset`; or the embedded corpus has no such part; or an option, for example
            `--split`, does not apply to the embedded corpus.
    """
    part = embedded_part(config)
    if part is None:
        check_dataset(config)
        return
    if part not in PARTS:
        raise dataset_error(
            part, "is not a part of the embedded corpus", "missing_file", f"choose from {', '.join(PARTS)}"
        )
    for option, value in (
        ("--dataset-config", config.dataset_config),
        ("--dataset-revision", config.dataset_revision),
        ("--text-column", config.text_column),
        ("--split", config.split),
    ):
        if value is not None:
            raise RequestError(
                f"does not apply to the embedded corpus, {part}",
                code="usage",
                option=option,
                value=value,
                fix=f"leave it out, or give {'another' if config.dataset is not None else 'a'} --dataset",
            )


def check_dataset(config: DataConfig) -> LocalFiles | None:
    """Reject a dataset that is wrong on its face; returns the local files that it names, if any.

    Raises:
        RequestError: there is no such file; or a file is empty or of an unknown kind; or the dataset no
            longer loads; or an option applies to another kind of dataset.
    """
    name = config.dataset
    if name is not None and name.lower() in _GONE:
        message = "is a dataset script, which no longer loads from the Hub"
        raise dataset_error(name, message, "gone_dataset", _ELI5_FIX)
    saved = name is not None and is_saved_dataset(name)
    files = local_files(name) if name is not None and not saved else None
    for option, value in (
        ("--dataset-config", config.dataset_config),
        ("--dataset-revision", config.dataset_revision),
    ):
        if value is not None and (name is None or saved or files is not None):
            found = "the embedded corpus" if name is None else f"{name}, which is local"
            raise RequestError(
                f"applies only to a dataset on the Hub, not to {found}",
                code="usage",
                option=option,
                value=value,
                fix="leave it out",
            )
    return files
