"""Runs a comparison: starts the variants' processes, and lets them work in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from mlm_core.compare.load import MachineLoad
from mlm_core.compare.protocol import READY
from mlm_core.compare.rounds import run_rounds
from mlm_core.compare.variant_process import VariantProcess
from mlm_core.compare.variants import Point, Variant
from mlm_core.compare.worker import WARM_UP
from mlm_core.config.config import Config
from mlm_core.progress import Counter, Progress
from mlm_core.system.scratch import scratch_directory

_NEVER = 10**7
"""Steps between checkpoints: more than any variant trains, so that nothing is saved."""


class Rounds:
    """The rounds of a comparison.

    Args:
        config: the options that all variants share.
        variants: what is compared.
        rounds: how many rounds each works.
        steps: steps in a round.
        progress: shows what is done.

    Attributes:
        progress: the same.
        load: what else the machine did in the rounds of the last point.
    """

    def __init__(
        self, config: Config, variants: Sequence[Variant], rounds: int, steps: int, progress: Progress
    ) -> None:
        self.progress = progress
        self.load = MachineLoad(list)
        self._config = config
        self._variants = variants
        self._rounds = rounds
        self._steps = steps

    def at(self, point: Point, processes: list[VariantProcess]) -> None:
        """Train all variants at a point.

        Args:
            point: the value of the swept option.
            processes: receives the variants' processes, so that they can be read after an interruption too.
        """
        config = replace(
            point.config(self._config),
            # One step more than is ever reached: a run saves its last step.
            max_steps=WARM_UP + self._rounds * self._steps + 1,
            save_steps=_NEVER,
            output_dir=None,
            overwrite=False,
            quiet=True,
        )
        self.load = MachineLoad(lambda: [process.pid for process in processes if process.pid is not None])
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_directory("compare", self.progress.say))
            counter = self.progress.counter(f"{point.name} rounds".strip(), self._rounds)
            stack.callback(counter.stop)
            stages = stack.enter_context(ExitStack())
            for number, variant in enumerate(self._variants):
                process = stack.enter_context(VariantProcess(variant, config, scratch / str(number)))
                process.watch = partial(self._stage, stages, process)
                processes.append(process)
            starting = ", ".join(variant.name for variant in self._variants)
            self.progress.say(f"{point.name + ': ' if point.name else ''}starting {starting}, one by one")
            done = partial(self._round_done, stages, counter, processes)
            run_rounds(processes, self._rounds, self._steps, done, self.load)

    def _stage(self, stages: ExitStack, process: VariantProcess, stage: str) -> None:
        """Show what a process does now, in the place of what was shown before."""
        stages.close()
        stages.enter_context(self.progress.phase(f"{process.variant.name}: {stage}"))

    def _round_done(
        self, stages: ExitStack, counter: Counter, processes: Sequence[VariantProcess], number: int
    ) -> None:
        if number:
            counter.advance()
            if number == self._rounds:
                counter.stop()
            return
        stages.close()
        for process in processes:
            if READY in process.seconds_to:
                self.progress.say(f"{process.variant.name}: ready after {process.seconds_to[READY]:.0f} s")
        counter.begin()
