"""What else a machine does while variants are measured: load averages, time of other programs."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from mlm_core.system.machine import cores, processor_seconds

MOST_OF_OTHERS = 0.05
"""The share of the processors that other programs may use before it is said."""

MOST_STOLEN = 0.01
"""The share of the processors' time that a hypervisor may take away before it is said."""

_STATISTICS = Path("/proc/stat")
_BUSY = (0, 1, 2, 5, 6)
"""Places of user, nice, system, irq and softirq in a line of `/proc/stat`; guests are counted in user."""
_STOLEN = 7


class _Times(NamedTuple):
    """Processor seconds since the start of the machine; the time now."""

    busy: float
    stolen: float
    own: float
    now: float


class MachineLoad:
    """Measures, round by round, how much of the processors others use.

    Args:
        processes: returns the ids of the processes that are measured; their time is not others'.
    """

    def __init__(self, processes: Callable[[], Sequence[int]]) -> None:
        self._processes = processes
        self._before = load_average()
        self._others: list[float] = []
        self._stolen: list[float] = []

    @contextmanager
    def round(self) -> Iterator[None]:
        """While inside, a round is worked on."""
        begun = self._times()
        yield
        ended = self._times()
        if begun is None or ended is None or ended.now <= begun.now:
            return
        seconds = ended.now - begun.now
        others = (ended.busy - begun.busy - (ended.own - begun.own)) / seconds
        # The system counts in hundredths of a second, and our own time more finely.
        self._others.append(max(0.0, others))
        self._stolen.append(max(0.0, (ended.stolen - begun.stolen) / seconds))

    def facts(self) -> dict[str, Any]:
        """The measurements, as `report.json` has them."""
        found: dict[str, Any] = {"processors": cores(), "before": self._before, "after": load_average()}
        for name, values in (("others", self._others), ("stolen", self._stolen)):
            if values:
                found[name] = {"median": statistics.median(values), "high": max(values), "rounds": values}
        return found

    def _times(self) -> _Times | None:
        machine = _machine_times()
        if machine is None:
            return None
        own = [processor_seconds(process) for process in self._processes()]
        known = sum(seconds for seconds in own if seconds is not None)
        return _Times(*machine, known + time.process_time(), time.perf_counter())


def load_average() -> list[float] | None:
    """The load averages of 1, 5 and 15 minutes; None where they are unknown."""
    try:
        return list(os.getloadavg())
    except OSError:
        return None


def busy(load: Mapping[str, Any] | None) -> str | None:
    """A sentence about a machine that was busy with something else; None: it was not, or nobody can tell."""
    if not load:
        return None
    said = []
    count, others, stolen = load["processors"], load.get("others"), load.get("stolen")
    if others is not None and others["median"] > MOST_OF_OTHERS * count:
        said.append(
            f"other programs used {others['median']:.1f} of its {count} processors in a round, "
            f"{others['high']:.1f} at most"
        )
    if stolen is not None and stolen["median"] > MOST_STOLEN * count:
        said.append(f"other virtual machines took {stolen['median'] / count:.0%} of its time")
    if others is None and (load.get("before") or [0.0])[0] > MOST_OF_OTHERS * count:
        said.append(f"its load average was {load['before'][0]:.1f} before the comparison")
    if not said:
        return None
    return (
        f"The machine was BUSY: {'; '.join(said)}. That slows all variants, and not all of them alike; "
        "repeat the comparison when nothing else runs."
    )


def _machine_times() -> tuple[float, float] | None:
    """Busy and stolen seconds of the processors that this process may use; None where they are unknown."""
    with suppress(OSError, ValueError, IndexError):
        usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        lines = [line.split() for line in _STATISTICS.read_text(encoding="ascii").splitlines()]
        times = [[int(value) for value in line[1:]] for line in lines if line and line[0] in usable]
        if times:
            ticks = os.sysconf("SC_CLK_TCK")
            busy_ticks = sum(line[place] for line in times for place in _BUSY)
            return busy_ticks / ticks, sum(line[_STOLEN] for line in times) / ticks
    return None
