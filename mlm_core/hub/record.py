"""What a run last saw of the repositories it was published to: `hub.json` in its directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlm_core.errors import RequestError
from mlm_core.system.files import write_atomically
from mlm_core.system.json_files import BadJsonError, checked, read_json
from mlm_core.system.os_errors import reason

HUB_RECORD = "hub.json"
"""Holds the repositories of a run, with the commit it last saw in each."""


@dataclass(frozen=True)
class Seen:
    """The state of a repository when this run last saw it.

    Attributes:
        commit: the newest commit.
        sent: hashes of files uploaded since, by name (see `identities`): the answer may have been lost.
    """

    commit: str
    sent: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class HubRecord:
    """The last seen state of each repository, by full name; kept on disk once there is a directory.

    Args:
        directory: of the run; None: there is none yet.
        unwritable: called when the record cannot be written.
    """

    def __init__(self, directory: Path | None, unwritable: Callable[[OSError], None]) -> None:
        self._unwritable = unwritable
        self._seen: dict[str, Seen] = {}
        self._directory: Path | None = None
        if directory is not None:
            self._seen = _read(directory)
            self._directory = directory

    def keep_in(self, directory: Path) -> None:
        """From now on keep the record in this directory."""
        self._directory = directory
        self._write()

    def seen(self, repository: str) -> Seen | None:
        """The state that was seen last; None: this run has not seen the repository."""
        return self._seen.get(repository)

    def note(self, repository: str, seen: Seen) -> None:
        """Record a new state, or files that are about to be uploaded."""
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
    """The record in a run's directory; without one, every repository counts as never seen.

    Raises:
        RequestError: it cannot be used. Taken for none, it would let commits of others be overwritten.
    """
    try:
        return checked(read_json(directory / HUB_RECORD), dict[str, Seen])
    except FileNotFoundError:
        return {}
    except OSError as error:
        cause = f"cannot be read ({reason(error)})"
    except BadJsonError as error:
        cause = f"cannot be used: {error}"
    raise RequestError(
        f"{cause}, so what the run last saw of its repository is unknown",
        code="damaged_record",
        option="RUN",
        value=str(directory / HUB_RECORD),
        fix="restore it; or look at the repository, then remove the file",
    )
