"""`train`: a run in one call. Its signature for editors is in `train.pyi`, which `stub` writes."""

from __future__ import annotations

import inspect
from typing import Any

from mlm_core.api.run import Run, run_of
from mlm_core.api.start import start
from mlm_core.config.config import Config
from mlm_core.config.signature import documented, signature_of


def train(dataset: Any = None, **options: Any) -> Run:
    """Train a masked language model: `train("posts.jsonl", backend="tf")`.

    The model is evaluated before and after, and saved in the run's directory, a new one under runs/ unless
    `output_dir` names it. Progress is shown on stderr, as by the command `mlm train`.

    Returns:
        The run: `run.result`, `run.history`, `run.plot()`, `run.fill("a <mask> day")`, ...

    Raises:
        RequestError: an option or the text is wrong; nothing was written.
        RunError: training failed; what was saved stays, and `resume=True` goes on from there.

    Args:
        dataset: the name or path of the text, or the text itself: a `datasets.Dataset` or `DatasetDict`, a
            list of texts, or a pandas data frame. None: Python's language reference.
    """
    return run_of(start(dataset, options))


_FIRST = (
    inspect.Parameter("dataset", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Any),
    inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None),
)

train.__doc__ = documented(train.__doc__, Config.options(), leave_out=("dataset",))
setattr(train, "__signature__", signature_of(Config.options(), first=_FIRST, returns=Run))  # noqa: B010
