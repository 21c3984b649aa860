"""Progress of a run: what is said, and what is shown while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from mlm_core.progress import phases, watched
from mlm_core.progress.counter import Counter
from mlm_core.progress.messages import show
from mlm_core.progress.rows import Losses, Row, Rows
from mlm_core.ranks.launch import launched
from mlm_core.visible import duration

if TYPE_CHECKING:
    from mlm_core.config.runtime import RuntimeConfig

T = TypeVar("T")


class Progress:
    """Shows loss, tokens/s and time left: a row on a terminal or in a notebook, lines elsewhere.

    Attributes:
        quiet: show only warnings.
        silent: show nothing: another rank speaks for all.
    """

    def __init__(self, *, quiet: bool, verbose: bool, logging_steps: int, silent: bool = False) -> None:
        self.quiet = quiet or silent
        self.silent = silent
        self._verbose = verbose
        self._logging_steps = logging_steps
        self._evaluation: Counter | None = None
        self._place: Rows | None = None
        self._row = Row("training")
        self._loss, self._masked_tokens = 0.0, 0

    @classmethod
    def of(cls, config: RuntimeConfig) -> Progress:
        """Make the progress display that a run's options request."""
        return cls(
            quiet=config.quiet,
            verbose=config.verbose,
            logging_steps=config.logging_steps,
            silent=not launched().first,
        )

    def say(self, text: str) -> None:
        """Show a line."""
        if not self.quiet:
            show(text)

    def warn(self, text: str) -> None:
        """Show a warning, even if `quiet`."""
        if self.silent:
            return
        if self.quiet:
            show(f"mlm: {text}")
        else:
            self.say(text)

    def aside(self, text: str) -> None:
        """Show a line only to someone who watches, on a terminal or in a notebook."""
        if watched.rows() is not None:
            self.say(text)

    def detail(self, text: str) -> None:
        """Show a line only with `--verbose`."""
        if self._verbose:
            self.say(text)

    def stopping(self, signal: str) -> None:
        """Tell someone who watches that a signal was received, and what it does."""
        self.aside(f"{signal}: the run saves this step, then stops; another one stops it at once, unsaved")

    def phase(
        self, description: str, *, at_once: bool = False, logged: bool = True
    ) -> AbstractContextManager[None]:
        """While inside, show that an operation of unknown length is running, once it has taken a while.

        Args:
            description: what is done.
            at_once: show it from the beginning, because nothing can be shown later.
            logged: whether a log says it, too.
        """
        if self.quiet:
            return nullcontext()
        place = watched.rows()
        if place is not None:
            return phases.phases().shown(description, place, at_once=at_once)
        return phases.said(description, self.say) if logged else nullcontext()

    @contextmanager
    def running(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """While inside, show how far another process is; the function that is given takes its steps so far.

        Where nobody watches, only that it runs is said, once it has taken long.
        """
        if total is None or watched.rows() is None:
            with self.phase(description):
                yield lambda done: None
            return
        counter = self.counter(description, total)
        try:
            yield counter.reach
        finally:
            counter.stop()

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Yield the items and show how many have been taken."""
        counter = self.counter(description, total)
        try:
            for item in items:
                yield item
                counter.advance()
        finally:
            counter.stop()

    def counter(self, description: str, total: int) -> Counter:
        """Make a counter for an operation of `total` steps, shown once it has taken a while."""
        return Counter(description, total, None if self.quiet else self.say)

    def begin_evaluation(self, total: int) -> None:
        """An evaluation of `total` batches begins; the one before, if it broke off, is shown no more."""
        self.end_evaluation()
        self._evaluation = self.counter("evaluating", total)

    def evaluated_batch(self) -> None:
        """Count one more finished batch of the evaluation."""
        if self._evaluation is not None:
            self._evaluation.advance()

    def end_evaluation(self) -> None:
        """The evaluation has ended."""
        if self._evaluation is not None:
            self._evaluation.stop()
            self._evaluation = None

    def start(self, steps: int, first: int = 0) -> None:
        """Start the display of a run with `steps` steps, of which `first` are done."""
        self._row = Row("training", steps, first, paced=True)
        self._loss, self._masked_tokens = 0.0, 0
        self._place = None if self.quiet else watched.rows()
        if self._place is not None:
            self._place.add(self._row)

    def stop(self) -> None:
        """End the display of the run; on a terminal its last state stays."""
        self.end_evaluation()
        if self._place is not None:
            self._row.left = None
            self._place.remove(self._row, keep=True)
            self._place = None

    def step(self, line: dict[str, Any], speed: float | None, left: float | None) -> None:
        """Show a step.

        Args:
            line: its line of metrics.
            speed: tokens/s; None: not known yet.
            left: seconds to the end of the run, by the same estimate; None: not known yet.
        """
        row = self._row
        row.done, row.loss, row.speed, row.left = line["step"], _shown(line["loss"]), speed, left
        if line["loss"] is not None:
            self._loss += line["loss"] * line["masked_tokens"]
            self._masked_tokens += line["masked_tokens"]
        if self._place is not None:
            self._place.changed(row)
        elif row.done % self._logging_steps == 0 or row.done == row.total:
            facts = [f"step {row.done}/{row.total}", f"loss {row.loss}"]
            facts += [f"{speed:,.0f} tokens/s"] if speed is not None else []
            facts += [f"{duration(left)} left"] if left is not None and row.done != row.total else []
            self.say("  ".join(facts))

    def evaluation(self, line: dict[str, Any]) -> None:
        """Show an evaluation's line of metrics: as a line, or as a row of a table where there is one."""
        loss, perplexity = line["eval_loss"], line["eval_perplexity"]
        if self._place is not None and self._place.has_table:
            training = self._loss / self._masked_tokens if self._masked_tokens else None
            self._loss, self._masked_tokens = 0.0, 0
            self._row.losses.append(Losses(line["step"], training, loss, perplexity))
            self._place.changed(self._row)
            return
        self.say(
            f"step {line['step']}: held-out loss {_shown(loss)}, perplexity {_shown(perplexity)}, "
            f"accuracy {_shown(line['eval_accuracy'])}"
        )


def _shown(number: float | None) -> str:
    return "not finite" if number is None else f"{number:.4g}"
