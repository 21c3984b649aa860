"""What a measurement is told through the environment, and how much of its time is left."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PARTS = {
    "card": 30,
    "correctness": 115,
    "steps": 130,
    "trace": 20,
    "ceilings": 155,
}
"""Seconds that each part takes on an H200 with 16 processor cores. The contract suite (100) and the start of
a group's processes (40 to 70) were measured; the rounds are estimated from measured steps.
"""

ALONE = {"tensorflow": 500}
"""A part that is measured only where it is asked for. It has never run on a GPU; its time is a guess."""

SETUP = 40
"""Seconds for installing packages (20), text and tokenizer."""


@dataclass(frozen=True)
class Settings:
    """What is measured, where, and for how long.

    Attributes:
        out: directory for what is found.
        work: directory for models, text and logs, empty at first.
        device: "gpu", or "cpu" to try the program.
        tiny: whether models, batches and the number of variants are as small as they can be.
        limit: seconds for everything.
        parts: which of `PARTS` and `ALONE` to run.
        rounds: how often each variant of a step is measured.
    """

    out: Path
    work: Path
    device: str
    tiny: bool
    limit: float
    parts: tuple[str, ...]
    rounds: int

    @classmethod
    def from_environment(cls) -> Self:
        """The settings in `OUT`, `WORK`, `DEVICE`, `TINY`, `LIMIT`, `PARTS` and `ROUNDS`.

        Raises:
            SystemExit: a part has no such name.
        """
        parts = tuple(os.environ.get("PARTS", " ".join(PARTS)).split())
        known = PARTS | ALONE
        unknown = [part for part in parts if part not in known]
        if unknown:
            raise SystemExit(f"PARTS {' '.join(unknown)}: no such part; choose from {' '.join(known)}")
        return cls(
            out=Path(os.environ["OUT"]).resolve(),
            work=Path(os.environ["WORK"]).resolve(),
            device=os.environ.get("DEVICE", "gpu"),
            tiny=bool(os.environ.get("TINY")),
            limit=float(os.environ.get("LIMIT", "575")),
            parts=parts,
            rounds=int(os.environ.get("ROUNDS", "4")),
        )

    @property
    def gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device == "gpu"


class Deadline:
    """A moment that ends something.

    Args:
        seconds: from now on.
        outer: a deadline that this one cannot exceed.
    """

    def __init__(self, seconds: float, outer: Deadline | None = None) -> None:
        end = time.monotonic() + seconds
        self._end = min(end, outer._end) if outer is not None else end

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return self.left == 0
