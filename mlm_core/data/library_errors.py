"""What the `datasets` library says when it fails, as one line of ours; and keeping it quiet meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlm_core.config.config import DataConfig
from mlm_core.data.errors import bad_split, dataset_refusal
from mlm_core.errors import MlmError, RequestError, first_line


def explained(error: Exception, config: DataConfig) -> MlmError:
    """The library's error as one line."""
    said = str(error)
    name = str(config.dataset)
    if "scripts are no longer supported" in said:
        fix = "look for a parquet copy of it, often at --dataset-revision refs/convert/parquet"
        return dataset_refusal(name, "is a script, which no longer loads", "gone_dataset", fix)
    if "onfig name is missing" in said or "BuilderConfig" in said:
        return RequestError(
            " ".join(said.split()),
            code="bad_dataset_config",
            option="--dataset-config",
            value=config.dataset_config,
        )
    if config.split is not None and ("Unknown split" in said or "instruction" in said):
        return bad_split(config.split, first_line(error))
    return dataset_refusal(name, f"cannot be read ({first_cause(error)})", "malformed_file")


def first_cause(error: BaseException) -> str:
    """What the reader said; the library's own exception around it says nothing."""
    return first_line(error.__cause__ or error)


@contextmanager
def quiet_library() -> Iterator[None]:
    """While inside, the library neither logs what fails at length nor draws bars of its own."""
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
