"""Publishing a run: now and then while it trains, in the background, and at its end, come what may."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlm_core.errors import RequestError
from mlm_core.hub.errors import HubError
from mlm_core.hub.model_files import CARD, published_files
from mlm_core.hub.record import HubRecord
from mlm_core.hub.repository import HubRepository
from mlm_core.progress import Progress

_VERSION = ".publishing-"
"""What the name of a directory begins with that holds a version on its way."""

_LAST_WAIT = 2.0
"""Seconds that a run which is asked to end gives a version on its way."""


@dataclass(frozen=True)
class Patience:
    """How often something is tried that may succeed later.

    Attributes:
        attempts: how often.
        wait: seconds before the second attempt; twice as many before each one after it.
        longest: seconds of a wait.
    """

    attempts: int = 6
    wait: float = 2.0
    longest: float = 30.0

    def waits(self) -> list[float]:
        """Seconds between the attempts."""
        return [min(self.wait * 2**number, self.longest) for number in range(self.attempts - 1)]


@dataclass(frozen=True)
class Target:
    """Where a run is published.

    Attributes:
        name: of the repository, as ORG/NAME, or NAME for the user's own.
        private: who may read it, if it is made.
        also_h5: `tf_model.h5` goes with the rest.
        token: in the place of the one that is found.
    """

    name: str
    private: bool = True
    also_h5: bool = False
    token: str | None = None


class Publisher:
    """Publishes one model's versions to one repository.

    Args:
        target: where.
        tokenizer: the model's; None: it is not published.
        directory: the run's; what was seen on the Hub is noted in it.
        progress: where it is said what goes wrong meanwhile.
        patience: how often an attempt is repeated; None: as `Patience` says.
    """

    def __init__(
        self,
        target: Target,
        tokenizer: Any,
        directory: Path | None,
        progress: Progress,
        patience: Patience | None = None,
    ) -> None:
        self.target = target
        self._tokenizer = tokenizer
        self._directory = directory
        self._progress = progress
        self._patience = patience or Patience()
        self._record = HubRecord(directory, self._unwritable)
        self._repository: HubRepository | None = None
        self._running: threading.Thread | None = None
        self._hurry = threading.Event()
        self._refused = self._abandoned = False

    @property
    def name(self) -> str:
        """The repository's, as far as it is known."""
        return self._repository.name if self._repository is not None else self.target.name

    def keep_in(self, directory: Path) -> None:
        """From now on note in this run's directory what was seen on the Hub."""
        self._directory = directory
        self._record.keep_in(directory)
        # Of a process that was killed.
        self._remove_versions()

    def check(self) -> None:
        """Make sure, as far as one can know, that publishing will work; nothing is published.

        A Hub that cannot be reached now may be there later: that is said, and no more.

        Raises:
            RequestError: the Hub refuses.
        """
        try:
            with self._progress.phase("asking the Hub"):
                repository = self._open()
        except HubError as error:
            if not error.transient:
                raise error.as_request_error() from None
            self._progress.warn(f"{error}; it is tried again when there is something to publish")
            return
        if repository.private != self.target.private:
            seen = "private" if repository.private else "public"
            self._progress.warn(f"{repository.name} is there already, and stays {seen}")

    def offer(self, what: str, write: Callable[[Path], None]) -> None:
        """Publish what there is now, beside the work; not where an earlier version is still on its way.

        Args:
            what: it is, for the commit's message.
            write: writes the model's directory; it is called before this returns.
        """
        if self._refused or (self._running is not None and self._running.is_alive()):
            return
        directory: Path | None = None
        try:
            directory = Path(tempfile.mkdtemp(prefix=_VERSION, dir=self._directory))
            write(directory)
        except BaseException as error:
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            # The run itself needs less room than a copy of its model.
            self._progress.warn(f"not published: {what} (it cannot be written: {error}); training goes on")
            return
        self._running = threading.Thread(target=self._publish_beside, args=(what, directory), daemon=True)
        self._running.start()

    def finish(
        self, directory: Path, message: str, *, card: str | None = None, overwrite: bool = False
    ) -> str:
        """Publish a model; returns the address of its repository.

        Args:
            directory: of the model.
            message: of the commit.
            card: where neither the directory nor the repository has one.
            overwrite: also where somebody else has changed the repository meanwhile.

        Raises:
            HubError: it did not arrive.
            RequestError: the model is damaged.
        """
        with self._progress.phase("publishing on the Hub"):
            self.wait()

            def attempt() -> str:
                also_h5 = self.target.also_h5
                return self._commit(directory, message, also_h5=also_h5, card=card, overwrite=overwrite)

            return self._with_patience(attempt, threading.Event())

    def wait(self) -> None:
        """Wait for what is on its way; nothing of it is tried again."""
        self._hurry.set()
        if self._running is not None:
            self._running.join()
            self._running = None
        self._hurry.clear()

    def abandon(self) -> None:
        """The run ends before its end: nobody waits any more for what is on its way."""
        self._abandoned = True
        self._hurry.set()
        if self._running is not None:
            self._running.join(_LAST_WAIT)
        self._remove_versions()

    def _publish_beside(self, what: str, directory: Path) -> None:
        try:
            self._with_patience(lambda: self._commit(directory, what), self._hurry)
        except (HubError, RequestError, OSError) as error:
            self._refused = not getattr(error, "transient", False)
            if not self._abandoned:
                self._progress.warn(f"not published: {what} ({error}); training goes on")
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _with_patience(self, attempt: Callable[[], str], hurry: threading.Event) -> str:
        for wait in self._patience.waits():
            try:
                return attempt()
            except HubError as error:
                if not error.transient:
                    raise
                self._progress.detail(f"{error}; the next attempt follows in {wait:g} s")
                if hurry.wait(wait):
                    raise
        return attempt()

    def _commit(
        self,
        directory: Path,
        message: str,
        *,
        also_h5: bool = False,
        card: str | None = None,
        overwrite: bool = False,
    ) -> str:
        repository = self._open()
        files = published_files(directory, self._tokenizer, repository.name, also_h5=also_h5)
        commit = repository.commit(
            files, self._tokenizer, message, card=None if CARD in files else card, overwrite=overwrite
        )
        seen = "private" if repository.private else "public"
        self._progress.say(f"{repository.name} ({seen}) has it: {message}, commit {commit[:7]}")
        return repository.url

    def _open(self) -> HubRepository:
        if self._repository is None:
            target = self.target
            self._repository = HubRepository.open(
                target.name, self._record, private=target.private, token=target.token
            )
        return self._repository

    def _remove_versions(self) -> None:
        for left in self._directory.glob(f"{_VERSION}*") if self._directory is not None else ():
            shutil.rmtree(left, ignore_errors=True)

    def _unwritable(self, error: OSError) -> None:
        self._progress.warn(f"what was seen on the Hub cannot be noted ({error})")
