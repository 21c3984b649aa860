"""What a person sees of a run while it runs; always on stderr."""

from __future__ import annotations

import sys
import time
from typing import Any


class Progress:
    """A progress bar with loss, tokens/s and time left; lines where stderr is no terminal."""

    def __init__(self, *, quiet: bool, verbose: bool, logging_steps: int) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._logging_steps = logging_steps
        self._bar: Any = None
        self._task: Any = None
        self._total = 0
        self._started = time.perf_counter()

    def say(self, text: str) -> None:
        """Show a line."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """Show a line that only `--verbose` asks for."""
        if self._verbose:
            self.say(text)

    def start(self, steps: int) -> None:
        """Begin a run of `steps` steps."""
        self._total, self._started = steps, time.perf_counter()
        if not self._quiet and sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("training", total=steps, loss="", speed="")
            self._bar.start()

    def stop(self) -> None:
        """End the run, or leave it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def step(self, line: dict[str, Any]) -> None:
        """Show a step's line of metrics."""
        loss, speed = f"loss {_shown(line['loss'])}", f"{line['tokens_per_second']:,.0f} tokens/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=line["step"], loss=loss, speed=speed)
        elif line["step"] % self._logging_steps == 0 or line["step"] == self._total:
            elapsed = time.perf_counter() - self._started
            left = elapsed / line["step"] * (self._total - line["step"])
            self.say(f"step {line['step']}/{self._total}  {loss}  {speed}  {left:.0f} s left")

    def evaluation(self, line: dict[str, Any]) -> None:
        """Show an evaluation's line of metrics."""
        self.say(
            f"step {line['step']}: held-out loss {_shown(line['eval_loss'])}, perplexity "
            f"{_shown(line['eval_perplexity'])}, accuracy {_shown(line['eval_accuracy'])}"
        )


def _shown(number: float | None) -> str:
    return "not finite" if number is None else f"{number:.4g}"


def _bar() -> Any:
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
    )
