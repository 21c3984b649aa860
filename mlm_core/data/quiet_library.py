"""Silencing the `datasets` library: its log messages and progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_library() -> Iterator[None]:
    """A context in which `datasets` neither logs long failures nor shows progress bars."""
    import datasets
    from huggingface_hub import utils as hub
    from tqdm import tqdm

    # `datasets` reads cards and downloads through huggingface_hub.
    libraries = [(datasets.logging, datasets), (hub.logging, hub)]
    before = [(log.get_verbosity(), bars.are_progress_bars_disabled()) for log, bars in libraries]
    for log, bars in libraries:
        log.set_verbosity(log.CRITICAL)
        bars.disable_progress_bars()
    # A bar that is hidden would start a thread all the same, and warn where the system gives none.
    interval, tqdm.monitor_interval = tqdm.monitor_interval, 0
    try:
        yield
    finally:
        tqdm.monitor_interval = interval
        for (log, bars), (level, disabled) in zip(libraries, before, strict=True):
            log.set_verbosity(level)
            if not disabled:
                bars.enable_progress_bars()
