"""What a column's process and the comparison say to each other: a line of JSON each time.

The process says `started`, `ready` and `round`, and is then blocked until it is told how many steps it has to
do; told 0, it says `ended` and ends.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

STARTED, READY, ROUND, ENDED, FAILED = "started", "ready", "round", "ended", "failed"
CONFIG = "config.json"


class Talk:
    """The process's side."""

    def __init__(self) -> None:
        # Whatever a library prints goes to stderr; what is said here goes to the comparison.
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, event: str, **facts: Any) -> None:
        """Say that something has happened."""
        print(json.dumps({"event": event} | facts), file=self._out, flush=True)

    def due(self) -> int:
        """How many steps are due now; waits for it. 0 where the comparison has ended."""
        return int(sys.stdin.readline() or 0)
