"""The start of a framework, which takes seconds."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

from mlm_core.framework import Framework
from mlm_core.progress import Progress


def starting(framework: Framework, progress: Progress) -> AbstractContextManager[None]:
    """While inside, show that a framework is imported, unless it is imported already."""
    module = framework.modules[0]
    if module in sys.modules:
        return nullcontext()
    # A framework may silence stderr while it starts, so nothing could be shown later.
    return progress.phase(f"starting {module}; this takes some seconds", at_once=True, logged=False)
