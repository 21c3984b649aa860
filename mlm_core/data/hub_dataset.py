"""Opening a dataset on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlm_core.cache import cache_directory
from mlm_core.config import DataConfig
from mlm_core.data.library_errors import explained
from mlm_core.data.refusals import dataset_refusal
from mlm_core.errors import RunError, first_line

_TIMEOUT = 20.0
"""Seconds after which the Hub counts as unreachable."""


def hub_splits(config: DataConfig) -> Mapping[str, Any]:
    """The rows of `config.dataset` on the Hub, a `datasets.Dataset` by split.

    Raises:
        RequestError: there is no such dataset, revision or configuration, or it is closed to this user.
        RunError: the Hub failed.
    """
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
            HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT)
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
        raise explained(error, config) from None
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError):
            raise
        reason, fix = "no such file, and the Hub cannot be reached", "give a local file, or connect"
        if not constants.HF_HUB_OFFLINE:
            fix += "; HF_HUB_OFFLINE=1 takes an earlier download"
    except Exception as error:
        raise explained(error, config) from None
    else:
        return opened if isinstance(opened, Mapping) else {"train": opened}
    raise dataset_refusal(name, reason, "missing_dataset", fix)
