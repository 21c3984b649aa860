"""`--nproc`: a command in several ranks on this machine, and one line that says what became of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlm_core.cli.request import Request, whole_number
from mlm_core.errors import MlmError, RequestError
from mlm_core.ranks.launch import Launched
from mlm_core.visible import quantity

if TYPE_CHECKING:
    from mlm_core.config.config import Config
    from mlm_core.ranks.outcome import Ended

MOST_RANKS = 256
"""Ranks on one machine: more would need more open files and ports than systems give."""

_OWN = ("--nproc", "--max-restarts")
"""Options that the ranks do not get."""


def ranks_asked(request: Request, place: Launched) -> int:
    """The number of ranks that a request asks this process to start; 1: it works by itself.

    Raises:
        RequestError: it is no such number, or a launcher has started this process.
    """
    written = request.arguments.get("nproc")
    count = 1 if written is None else whole_number(written, "--nproc", least=1)
    if count > MOST_RANKS:
        raise RequestError(
            f"one machine has at most {MOST_RANKS:,}",
            code="out_of_range",
            option="--nproc",
            value=count,
            fix="give the number of its GPUs",
        )
    restarts = whole_number(request.arguments.get("max_restarts") or "0", "--max-restarts", least=0)
    if restarts and count == 1:
        raise RequestError(
            "requires --nproc of 2 or more",
            code="usage",
            option="--max-restarts",
            value=restarts,
            fix="add --nproc, or leave it out",
        )
    if written is not None and place.count > 1:
        raise RequestError(
            f"another launcher has started {quantity(place.count, 'rank')} already ({place.by})",
            code="wrong_launch",
            option="--nproc",
            value=count,
            fix="leave it out, or start one process",
        )
    return count


def launch(request: Request, words: Sequence[str], count: int, config: Config) -> int:
    """Run a command in several ranks; returns 0 once its work is done.

    Args:
        request: the command.
        words: the words of its command line.
        count: the number of ranks.
        config: its options.

    Raises:
        MlmError: the first cause, if a rank fails.
    """
    from mlm_core.progress import Progress, show
    from mlm_core.ranks.notes import Notes
    from mlm_core.ranks.outcome import failure
    from mlm_core.ranks.processes import run_ranks
    from mlm_core.system.interruption import PassedOn
    from mlm_core.system.scratch import scratch_directory

    start = _Start(request.command, tuple(_for_ranks(words)), config, count)
    restarts = whole_number(request.arguments.get("max_restarts") or "0", "--max-restarts", least=0)
    with scratch_directory("launch", Progress.of(config).say) as scratch, PassedOn() as signals:
        done = 0
        while True:
            notes = Notes(scratch / str(done))
            notes.directory.mkdir()
            ended = run_ranks(start.words, count, notes, signals)
            error = failure(ended, signals.received)
            if error is None:
                return 0
            start = start.known(notes.run())
            if done == restarts or error.exit_code != 1 or start.run is None or signals.received:
                if config.verbose:
                    _show_said(ended)
                raise start.with_advice(error)
            step = start.step
            place = "the beginning" if step is None else f"step {step}"
            show(f"mlm: {_clause(error)}; restarting from {place} ({done + 1} of {restarts})")
            start, done = start.resumed(), done + 1


@dataclass(frozen=True)
class _Start:
    """A start of the ranks.

    Attributes:
        command: the name of the command.
        words: the command line of the ranks.
        config: its options.
        count: the number of ranks.
        run: the directory of a run that can be resumed; None: unknown, or there is none yet.
    """

    command: str
    words: tuple[str, ...]
    config: Config
    count: int
    run: Path | None = None

    def known(self, run: Path | None) -> _Start:
        """The start, with the directory that a rank has told."""
        if run is None and self.config.resume and self.config.output_dir is not None:
            run = Path(self.config.output_dir)
        return replace(self, run=run or self.run)

    def resumed(self) -> _Start:
        """The next start, which resumes the run."""
        # --overwrite has replaced what was there before.
        words = [word for word in self.words if word not in ("--overwrite", "--no-overwrite")]
        words += ["--no-overwrite", "--resume", "--output-dir", str(self.run)]
        return replace(self, words=tuple(words))

    @property
    def step(self) -> int | None:
        """The step of the newest checkpoint; None: there is none."""
        from mlm_core.training.checkpoint import Checkpoints

        return Checkpoints(self.run, 1).newest_step() if self.run is not None else None

    def with_advice(self, error: MlmError) -> MlmError:
        """The error; if the rank could not say how to go on, with what is left and how to go on."""
        from mlm_core.ranks.outcome import DeadRankError, StoppedError
        from mlm_core.training.run_errors import resume_command

        if not isinstance(error, (DeadRankError, StoppedError)):
            return error
        step = self.step
        if self.run is not None and step is not None:
            error.message += f"; the newest checkpoint is of step {step} in {self.run}"
            error.fix = f"to go on: {resume_command(self.run, self.count)}"
        elif self.run is not None:
            error.message += "; there is no checkpoint yet"
            error.fix = f"to start again: {resume_command(self.run, self.count)}"
        else:
            error.message += "; there is no checkpoint yet" if self.command == "train" else ""
            error.fix = "the same command starts again"
        return error


def _for_ranks(words: Sequence[str]) -> list[str]:
    """The words without those of the launcher."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if name.replace("_", "-") not in _OWN:
            kept.append(word)
        elif not equals:
            next(rest, None)
    return kept


def _clause(error: MlmError) -> str:
    """An error without its advice, which is for the end."""
    error.fix = None
    return str(error)


def _show_said(ended: Sequence[Ended]) -> None:
    """Show the end of what the other rank that failed first has printed."""
    from mlm_core.ranks.outcome import first_cause
    from mlm_core.visible import visible

    cause = first_cause(ended)
    if cause is not None and cause.said:
        print(visible(cause.said, lines=True), file=sys.stderr)
