"""Progress of a run on stderr: bars on a terminal, else lines."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mlm_core.ranks.launch import launched
from mlm_core.visible import visible

if TYPE_CHECKING:
    from mlm_core.config.runtime import RuntimeConfig

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds after which a slow operation is shown on a terminal."""

_INTERVAL = 10.0
"""Seconds between lines about an operation without a terminal."""

_RECENT = 20
"""Number of recent steps; the median of their speeds is shown."""


class Progress:
    """Shows loss, tokens/s and time left: a progress bar, or lines if stderr is not a terminal.

    Attributes:
        quiet: show only warnings.
        silent: show nothing: another rank speaks for all.
        running_bar: the bar of the run, while it is shown; else None.
    """

    def __init__(self, *, quiet: bool, verbose: bool, logging_steps: int, silent: bool = False) -> None:
        self.quiet = quiet or silent
        self.silent = silent
        self._verbose = verbose
        self._logging_steps = logging_steps
        self.running_bar: Any = None
        self._task: Any = None
        self._evaluation: Counter | None = None
        self._total = 0
        self._first: tuple[int, float] | None = None
        self._speeds: deque[float] = deque(maxlen=_RECENT)

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
        if self.quiet:
            return
        if self.running_bar is not None:
            with suppress(OSError, ValueError):
                self.running_bar.console.print(visible(text, lines=True), highlight=False, markup=False)
        else:
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
        """Show a line only on a terminal, to someone who watches."""
        if sys.stderr.isatty():
            self.say(text)

    def detail(self, text: str) -> None:
        """Show a line only with `--verbose`."""
        if self._verbose:
            self.say(text)

    @contextmanager
    def phase(self, description: str) -> Iterator[None]:
        """While inside, show that an operation of unknown length is running, once it has taken a while."""
        shown = self._status(description)
        timer = threading.Timer(patience(), shown.start)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            # The system gives this process no more threads.
            yield
            return
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            shown.stop()

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Yield the items and show how many have been taken."""
        counter = self.counter(description, total)
        try:
            for item in items:
                yield item
                counter.advance()
        finally:
            counter.stop()

    def evaluated_batch(self, total: int) -> None:
        """Count one more finished batch of an evaluation with `total` batches."""
        if self._evaluation is None:
            self._evaluation = self.counter("evaluating", total)
        self._evaluation.advance()
        if self._evaluation.done == total:
            self._evaluation.stop()
            self._evaluation = None

    def counter(self, description: str, total: int) -> Counter:
        """Make a counter for an operation of `total` steps, shown once it has taken a while."""
        return Counter(self, description, total)

    def _status(self, description: str) -> Any:
        if self.quiet or not sys.stderr.isatty():
            return _Line(self, description)
        from rich.console import Console

        return Console(stderr=True).status(description)

    def start(self, steps: int) -> None:
        """Start the display of a run with `steps` steps."""
        self._total, self._first = steps, None
        if not self.quiet and sys.stderr.isatty():
            self.running_bar = _bar()
            self._task = self.running_bar.add_task("training", total=steps, loss="", speed="")
            self.running_bar.start()

    def stop(self) -> None:
        """End the display of the run."""
        if self.running_bar is not None:
            self.running_bar.stop()
            self.running_bar = None

    def step(self, line: dict[str, Any]) -> None:
        """Show a step's line of metrics."""
        self._speeds.append(line["tokens_per_second"])
        loss, speed = f"loss {_shown(line['loss'])}", f"{self._speed():,.0f} tokens/s"
        if self.running_bar is not None:
            self.running_bar.update(self._task, completed=line["step"], loss=loss, speed=speed)
        elif line["step"] % self._logging_steps == 0 or line["step"] == self._total:
            self.say(f"step {line['step']}/{self._total}  {loss}  {speed}{self._left(line['step'])}")

    def _left(self, step: int) -> str:
        """How long the rest takes, as long a step as since this process did its first; "": not known yet."""
        now = time.perf_counter()
        if self._first is None:
            self._first = (step, now)
        done, rest = step - self._first[0], self._total - step
        if not done and rest:
            return ""
        return f"  {(now - self._first[1]) / max(1, done) * rest:.0f} s left"

    def _speed(self) -> float:
        """The median speed of the recent steps: an epoch's last batch may hold a single block."""
        return sorted(self._speeds)[len(self._speeds) // 2]

    def evaluation(self, line: dict[str, Any]) -> None:
        """Show an evaluation's line of metrics."""
        self.say(
            f"step {line['step']}: held-out loss {_shown(line['eval_loss'])}, perplexity "
            f"{_shown(line['eval_perplexity'])}, accuracy {_shown(line['eval_accuracy'])}"
        )


class _Line:
    """A line instead of a spinner, without a terminal."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._description = description

    def start(self) -> None:
        self._progress.say(f"{self._description} ...")

    def stop(self) -> None:
        pass


class Counter:
    """Shows how many steps of an operation are done: a bar, or a line at intervals without a terminal.

    Attributes:
        done: steps so far.
    """

    def __init__(self, progress: Progress, description: str, total: int) -> None:
        self._progress = progress
        self._description = description
        self._total = total
        self.done = 0
        self._bar: Any = None
        self._task: Any = None
        self._next = time.perf_counter() + patience()

    def begin(self) -> None:
        """Show the bar from now on, before the first step, which may take long."""
        if not self._progress.quiet and sys.stderr.isatty():
            self._show_bar()

    def advance(self) -> None:
        """Count one more step."""
        self.done += 1
        if self._progress.quiet or time.perf_counter() < self._next:
            return
        if sys.stderr.isatty():
            self._show_bar()
            self._next = time.perf_counter() + 0.1
        else:
            self._progress.say(f"{self._description}: {self.done:,}/{self._total:,}")
            self._next = time.perf_counter() + _INTERVAL

    def stop(self) -> None:
        """Remove the bar: the operation has ended."""
        if self._bar is None:
            return
        self._bar.remove_task(self._task)
        if self._bar is not self._progress.running_bar:
            self._bar.stop()
        self._bar = None

    def _show_bar(self) -> None:
        if self._bar is None:
            # Two bars at once must belong to one display.
            self._bar = self._progress.running_bar or _bar(transient=True)
            self._task = self._bar.add_task(self._description, total=self._total, loss="", speed="")
            self._bar.start()
        self._bar.update(self._task, completed=self.done)


def show(text: str) -> None:
    """Show a line on stderr; if that fails, it is not shown: progress that nobody sees never ends a run."""
    with suppress(OSError, ValueError):
        print(visible(text, lines=True), file=sys.stderr, flush=True)


def patience() -> float:
    """Seconds after which a slow operation is shown; without a terminal, only a very slow one."""
    return _PATIENCE if sys.stderr.isatty() else _INTERVAL


def _shown(number: float | None) -> str:
    return "not finite" if number is None else f"{number:.4g}"


def _bar(*, transient: bool = False) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}  {task.fields[speed]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=transient,
    )
