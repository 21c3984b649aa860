"""Starting a training from Python, as `mlm train` does from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlm_core.config.config import Config

if TYPE_CHECKING:
    from mlm_core.training.results import TrainingResult


@dataclass(frozen=True)
class Started:
    """A training that has ended.

    Attributes:
        config: its options as they were given; those of a resumed run are filled in.
        result: of the training.
        text: the text, where it was given as an object; else None.
    """

    config: Config
    result: TrainingResult
    text: Any


def start(dataset: Any, options: Mapping[str, Any]) -> Started:
    """Train a model.

    Args:
        dataset: a name, a path, an object with the text, or None; see `train`.
        options: of a `Config`.

    Raises:
        RequestError: the request is wrong; nothing was written.
        RunError: training failed.
    """
    named, text = named_text(dataset)
    config = Config(**named, **options)
    # Late: a wrong option is reported at once.
    from mlm_core.progress import Progress
    from mlm_core.registry import find_engine
    from mlm_core.training.recorded_options import with_recorded

    config = with_recorded(config)
    result = find_engine(config.backend).trainer(config, text).train()
    Progress.of(config).say(f"saved in {result.run_dir}: {result.summary()}")
    return Started(config, result, text)


def named_text(dataset: Any) -> tuple[dict[str, Any], Any]:
    """A text as the option `dataset`, if it is a name, or as an object."""
    if dataset is None:
        return {}, None
    if isinstance(dataset, str) or hasattr(dataset, "__fspath__"):
        return {"dataset": dataset}, None
    return {}, dataset
