"""Publishes a run: in the background while it trains, and at its end; repeats what fails for a while."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.errors import RequestError
from mlm_core.hub.errors import HubError
from mlm_core.hub.model_files import CARD, published_files
from mlm_core.hub.record import HubRecord
from mlm_core.hub.repository import HubRepository
from mlm_core.progress import Progress

if TYPE_CHECKING:
    from tenacity import RetryCallState

_VERSION = ".publishing-"
"""Prefix of the directory that holds a version until it is published."""

_LAST_WAIT = 2.0
"""Seconds that an interrupted run waits for an upload in progress."""


@dataclass(frozen=True)
class Patience:
    """How often an attempt is repeated after a failure that may pass.

    Attributes:
        attempts: number of attempts in all.
        wait: seconds before the second attempt; doubled before each later one.
        longest: the longest of these waits, in seconds.
    """

    attempts: int = 6
    wait: float = 2.0
    longest: float = 30.0


@dataclass(frozen=True)
class Target:
    """Where a run is published.

    Attributes:
        name: of the repository: ORG/NAME, or NAME for one of the user's own.
        private: whether a repository made for this run is private.
        also_h5: publish `tf_model.h5` too.
        token: used instead of the token that the user has logged in with.
    """

    name: str
    private: bool = True
    also_h5: bool = False
    token: str | None = None


class Publisher:
    """Publishes versions of one model to one repository.

    Args:
        target: the repository.
        tokenizer: the model's; None: no tokenizer is published.
        directory: the run's, where the state of the repository is recorded; None: it has none yet.
        progress: shows failures that do not end the run.
        patience: how often an attempt is repeated; None: the defaults of `Patience`.
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
        """The repository's full name; before the Hub was asked, the name that the user gave."""
        return self._repository.name if self._repository is not None else self.target.name

    def keep_in(self, directory: Path) -> None:
        """From now on record the state of the repository in this run's directory."""
        self._directory = directory
        self._record.keep_in(directory)
        # A process that was killed may have left some.
        self._remove_versions()

    def check(self) -> None:
        """Check, as far as possible, that publishing will work; publishes nothing.

        The Hub may be reachable later even if it is not now: then this only warns.

        Raises:
            RequestError: the Hub refuses.
        """
        try:
            with self._progress.phase("asking the Hub"):
                repository = self._open()
        except HubError as error:
            if not error.transient:
                raise error.as_request_error() from None
            self._progress.warn(f"{error}; mlm tries again when there is something to publish")
            return
        if repository.private != self.target.private:
            seen = "private" if repository.private else "public"
            self._progress.warn(f"{repository.name} exists already and stays {seen}")

    def offer(self, what: str, write: Callable[[Path], None]) -> None:
        """Publish the current version in the background, unless an earlier one is still being published.

        Args:
            what: name of the version, for the commit message.
            write: writes the model's directory; called before this method returns.
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
            # The run itself needs less disk space than a copy of its model.
            self._progress.warn(f"not published: {what} (cannot be written: {error}); training continues")
            return
        self._running = threading.Thread(target=self._publish_beside, args=(what, directory), daemon=True)
        self._running.start()

    def finish(
        self, directory: Path, message: str, *, card: str | None = None, overwrite: bool = False
    ) -> str:
        """Publish a model; returns the address of its repository.

        Args:
            directory: the model's.
            message: of the commit.
            card: used if neither the directory nor the repository has one.
            overwrite: publish even if somebody else has changed the repository.

        Raises:
            HubError: the model was not published.
            RequestError: the model is damaged.
        """
        with self._progress.phase("publishing on the Hub"):
            self.wait()

            def attempt() -> str:
                also_h5 = self.target.also_h5
                return self._commit(directory, message, also_h5=also_h5, card=card, overwrite=overwrite)

            return self._with_patience(attempt, threading.Event())

    def wait(self) -> None:
        """Wait for the attempt in progress; it is not repeated."""
        self._hurry.set()
        if self._running is not None:
            self._running.join()
            self._running = None
        self._hurry.clear()

    def abandon(self) -> None:
        """The run was interrupted: give the upload in progress `_LAST_WAIT` seconds, then drop it."""
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
                self._progress.warn(f"not published: {what} ({error}); training continues")
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _with_patience(self, attempt: Callable[[], str], hurry: threading.Event) -> str:
        """What the first successful attempt returns; once `hurry` is set, no attempt follows a failure."""
        # Late: importing tenacity takes 21 ms.
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

        def pause(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            assert error is not None
            self._progress.detail(f"{error}; the next attempt follows in {state.upcoming_sleep:g} s")
            # tenacity's own sleep can be cut short, but not without another attempt.
            if hurry.wait(state.upcoming_sleep):
                raise error

        retrying = Retrying(
            stop=stop_after_attempt(self._patience.attempts),
            wait=wait_exponential(multiplier=self._patience.wait, max=self._patience.longest),
            retry=retry_if_exception(lambda error: isinstance(error, HubError) and error.transient),
            before_sleep=pause,
            sleep=lambda seconds: None,
            reraise=True,
        )
        return retrying(attempt)

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
        self._progress.say(f"published to {repository.name} ({seen}): {message}, commit {commit[:7]}")
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
            # The name that mkdtemp gives; others are a user's.
            if re.fullmatch(r"[a-z0-9_]{8}", left.name.removeprefix(_VERSION)) and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)

    def _unwritable(self, error: OSError) -> None:
        self._progress.warn(f"the state of the repository cannot be recorded ({error})")
