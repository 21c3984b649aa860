"""What a run knows of the repositories it was published to: `hub.json` in its directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlm_core.system.files import write_atomically

HUB_RECORD = "hub.json"
"""Which repository a run publishes to, and the commit it last saw there."""


@dataclass(frozen=True)
class Seen:
    """A repository as it was when we last looked.

    Attributes:
        commit: its newest.
        sent: what was on its way there since, by name, as `identity` has it: its answer may have been lost.
    """

    commit: str
    sent: Mapping[str, Sequence[str]] = field(default_factory=dict)


class HubRecord:
    """What was seen of each repository, by its full name; kept on disk as soon as there is a directory.

    Args:
        directory: of the run; None: it has none, or none yet.
        unwritable: is told where it cannot be kept.
    """

    def __init__(self, directory: Path | None, unwritable: Callable[[OSError], None]) -> None:
        self._unwritable = unwritable
        self._seen: dict[str, Seen] = {}
        self._directory: Path | None = None
        if directory is not None:
            self._seen = _read(directory)
            self._directory = directory

    def keep_in(self, directory: Path) -> None:
        """From now on write what is seen into this directory."""
        self._directory = directory
        self._write()

    def seen(self, repository: str) -> Seen | None:
        """What was seen last; None: nothing."""
        return self._seen.get(repository)

    def note(self, repository: str, seen: Seen) -> None:
        """Something new was seen, or is about to be sent."""
        self._seen[repository] = seen
        self._write()

    def _write(self) -> None:
        if self._directory is None or not self._seen:
            return
        noted = {name: asdict(seen) for name, seen in self._seen.items()}
        try:
            write_atomically(self._directory / HUB_RECORD, json.dumps(noted, indent=2).encode() + b"\n")
        except OSError as error:
            self._unwritable(error)


def _read(directory: Path) -> dict[str, Seen]:
    try:
        noted: Any = json.loads((directory / HUB_RECORD).read_text(encoding="utf-8"))
        return {str(name): Seen(str(seen["commit"]), dict(seen["sent"])) for name, seen in noted.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Without it the repository counts as never seen.
        return {}
