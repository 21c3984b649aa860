"""The errors of the `datasets` library, each as one line of ours."""

from __future__ import annotations

from mlm_core.config.data import DataConfig
from mlm_core.data.errors import dataset_error, split_error
from mlm_core.errors import MlmError, RequestError, first_line


def explain_library_error(error: Exception, config: DataConfig) -> MlmError:
    """The error to raise in place of an error of `datasets`."""
    said = str(error)
    name = str(config.dataset)
    if "scripts are no longer supported" in said:
        fix = "look for a parquet copy of it, often at --dataset-revision refs/convert/parquet"
        return dataset_error(name, "is a dataset script, which no longer loads", "gone_dataset", fix)
    if "onfig name is missing" in said or "BuilderConfig" in said:
        return RequestError(
            " ".join(said.split()),
            code="bad_dataset_config",
            option="--dataset-config",
            value=config.dataset_config,
        )
    if config.split is not None and ("Unknown split" in said or "instruction" in said):
        return split_error(config.split, first_line(error))
    return dataset_error(name, f"cannot be read ({first_cause(error)})", "malformed_file")


def first_cause(error: BaseException) -> str:
    """The first line of the reader's own error; the `datasets` exception around it adds nothing."""
    return first_line(error.__cause__ or error)
