"""Opening a dataset on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlm_core.compat.huggingface_hub import TIMEOUT, is_network_error
from mlm_core.config.data import DataConfig
from mlm_core.data.errors import dataset_error
from mlm_core.data.library_errors import explain_library_error
from mlm_core.data.splits import check_once
from mlm_core.errors import MlmError, RunError, first_line
from mlm_core.system.cache import cache_directory


def hub_splits(config: DataConfig) -> Mapping[str, Any]:
    """The rows of `config.dataset` on the Hub, a `datasets.Dataset` by split.

    Raises:
        RequestError: the dataset, revision or configuration does not exist, or the user has no access to it.
        RunError: the Hub failed.
        OSError: this machine failed, for example its disk is full.
    """
    import datasets
    from huggingface_hub import HfApi, constants

    assert config.dataset is not None
    name, revision = config.dataset, config.dataset_revision
    # On any failure, `datasets` takes the latest copy in its cache, of any revision; so each has its own.
    own = None if revision is None else str(cache_directory() / "revisions" / quote(revision, safe=""))
    try:
        if not constants.HF_HUB_OFFLINE:
            # Asked first: without a network, the library's own attempts take half a minute.
            HfApi().dataset_info(name, revision=revision, timeout=TIMEOUT)
        opened = datasets.load_dataset(
            name, config.dataset_config, split=config.split, revision=revision, cache_dir=own
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            # An error of this machine, not of the network.
            raise
        raise _hub_error(error, config) from None
    if isinstance(opened, Mapping):
        return opened
    _check_once(opened, str(config.split))
    return {"train": opened}


def _check_once(opened: Any, split: str) -> None:
    import datasets

    lengths = {name: part.num_examples for name, part in (opened.info.splits or {}).items()}
    if lengths:
        check_once(datasets.ReadInstruction.from_spec(split).to_absolute(lengths), split)


def _hub_error(error: Exception, config: DataConfig) -> MlmError:
    """The error of the Hub or of a library, as one line that says what to do."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import constants, errors

    name = str(config.dataset)
    if isinstance(error, errors.GatedRepoError | DatasetNotFoundError):
        # The Hub describes a gated dataset to anyone, so `datasets` is the first to be denied access.
        fix = "accept its terms on the Hub and log in with hf auth login"
        return dataset_error(name, "is gated", "missing_dataset", fix)
    if isinstance(error, errors.RevisionNotFoundError):
        message = f"has no revision {config.dataset_revision}"
        return dataset_error(name, message, "missing_dataset", "check --dataset-revision")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        fix = "check the name; a private dataset needs hf auth login"
        return dataset_error(name, "no such file, and no such dataset on the Hub", "missing_dataset", fix)
    if isinstance(error, errors.HfHubHTTPError):
        return RunError(f"the Hub failed ({first_line(error)})", code="hub_failed", value=name)
    if isinstance(error, FileNotFoundError):
        if errors.LocalEntryNotFoundError.__name__ in str(error):
            return RunError("the Hub failed to send a file", code="hub_failed", value=name)
        # `datasets` raises this where a repository holds no data that it can read.
        return explain_library_error(error, config)
    if is_network_error(error):
        fix = "give a local file, or connect"
        if not constants.HF_HUB_OFFLINE:
            fix += "; HF_HUB_OFFLINE=1 uses an earlier download"
        message = "no such file, and the Hub cannot be reached"
        return dataset_error(name, message, "missing_dataset", fix)
    return explain_library_error(error, config)
