"""Variants that take turns: each in a process of its own, resident, one at work and the others blocked.

A benchmark starts a process per variant, which gets ready and waits. In every round each variant works once,
in the same order (A B C A B C), so that what slows the machine down for a while slows all of them down.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from memory import own_peak


class Turns:
    """A variant's side: call `worked` after every unit of work.

    The first `warm` units are for compiling, caches and threads, and are not reported.
    """

    def __init__(self, warm: int) -> None:
        self._warm = warm
        self._due = 0
        self._seconds: list[float] = []
        self._begun = time.perf_counter()
        self._facts: dict[str, Any] = {}
        # Whatever a library prints goes to stderr; what is said here goes to the benchmark.
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    @property
    def ready(self) -> bool:
        """Whether the work is timed by now."""
        return self._warm == 0

    def note(self, **facts: Any) -> None:
        """Have facts, that are the same in every round, in the benchmark's outcome; JSON values."""
        self._facts |= facts

    def worked(self) -> None:
        """A unit of work is done. Returns when the next one is due; ends the process when there is none."""
        now = time.perf_counter()
        if self._warm > 0:
            self._warm -= 1
            if self._warm == 0:
                self._say({"ready": True})
                self._wait()
            return
        self._seconds.append(now - self._begun)
        self._begun = now
        if len(self._seconds) == self._due:
            self._say({"seconds": self._seconds})
            self._wait()

    def _say(self, message: dict[str, Any]) -> None:
        facts = self._facts | {"peak_mb": own_peak()}
        print(json.dumps(message | {"facts": facts}), file=self._out, flush=True)

    def _wait(self) -> None:
        asked = sys.stdin.readline()
        if not asked.strip():
            # A framework's own loop is around this call; nothing of it is wanted any more.
            os._exit(0)
        self._due, self._seconds = int(asked), []
        self._begun = time.perf_counter()


class _Variant:
    """The benchmark's side of a variant."""

    def __init__(self, name: str, command: Sequence[str], log: IO[str]) -> None:
        self.name = name
        self.rounds: list[float] = []
        self.fastest = float("inf")
        self.problem: str | None = None
        self.facts: dict[str, Any] = {}
        self._log = log
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.ready_after = float("nan")
        if self._answer() is not None:
            self.ready_after = time.perf_counter() - self._begun

    def work(self, units: int) -> None:
        """Do units of work; their median in seconds is a round."""
        if self.problem is not None:
            return
        assert self._process.stdin is not None
        # One that is gone, for want of memory perhaps, is found out by its answer.
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{units}\n")
            self._process.stdin.flush()
        answer = self._answer()
        if answer is not None:
            self.rounds.append(statistics.median(answer["seconds"]))
            self.fastest = min(self.fastest, *answer["seconds"])

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer = dict(json.loads(line))
            self.facts = answer.pop("facts")
            return answer
        self._process.wait()
        self._log.flush()
        said = Path(self._log.name).read_text(errors="replace").strip().splitlines()
        killed = self._process.returncode < 0
        self.problem = said[-1] if said and not killed else f"exit code {self._process.returncode}"
        return None


def take_turns(
    commands: Mapping[str, Sequence[str]], rounds: int, units: int, scratch: Path
) -> dict[str, dict[str, Any]]:
    """Seconds per unit of work of every variant.

    Args:
        commands: what starts each variant's process.
        rounds: how often each works.
        units: units of work in a round, of which the median counts.
        scratch: a directory for what the processes print.

    Returns:
        By variant `{"seconds": [a round's median, ...], "fastest": seconds of a unit, "ready_after": seconds,
        "peak_mb": MB}` and what it has noted, or `{"problem": ...}`.
    """
    with ExitStack() as stack:
        variants = []
        for number, (name, command) in enumerate(commands.items()):
            log = stack.enter_context((scratch / f"variant-{number}.log").open("w+"))
            print(f"starting {name}", file=sys.stderr)
            variants.append(_Variant(name, command, log))
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for variant in variants:
                variant.work(units)
        for variant in variants:
            variant.end()
        return {
            variant.name: {"problem": variant.problem}
            if variant.problem is not None
            else {"seconds": variant.rounds, "fastest": variant.fastest, "ready_after": variant.ready_after}
            | variant.facts
            for variant in variants
        }


def machine_facts(packages: Sequence[str]) -> dict[str, Any]:
    """What a figure belongs to: processor, cores, versions."""
    from mlm_core.system.versions import installed_versions

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": named[0] if named else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": installed_versions(packages),
    }
