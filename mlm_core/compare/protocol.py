"""The messages between a comparison and a worker process: one line each.

The worker sends JSON: `started`, then `ready`, then `round` after each round. After `ready` and each `round`
it waits for the number of steps of the next round. After 0 it sends `ended` and exits. An error is sent as
`failed`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

STARTED, READY, ROUND, ENDED, FAILED = "started", "ready", "round", "ended", "failed"
CONFIG = "config.json"


class Channel:
    """A worker's connection to the comparison."""

    def __init__(self) -> None:
        # What libraries print to stdout goes to stderr; only messages go to the comparison.
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def send(self, event: str, **facts: Any) -> None:
        """Send an event with its facts."""
        print(json.dumps({"event": event} | facts), file=self._out, flush=True)

    def receive_steps(self) -> int:
        """Wait for the number of steps of the next round; 0 if the comparison has ended."""
        return int(sys.stdin.readline() or 0)
