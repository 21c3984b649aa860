"""Rows that show operations while they run, on a terminal or in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Losses:
    """The losses at an evaluation.

    Attributes:
        step: number of steps before it.
        training: mean training loss since the evaluation before; None: there was no step.
        held_out, perplexity: of the held-out text; None: not finite.
    """

    step: int
    training: float | None
    held_out: float | None
    perplexity: float | None


@dataclass(eq=False)
class Row:
    """An operation that runs.

    Attributes:
        description: what is done.
        total: its number of steps; None: unknown.
        done: steps so far.
        paced: whether it is training, which shows the next three.
        loss: of the last step, as text; "": there is none yet.
        speed: tokens/s; None: unknown yet.
        left: seconds to the end; None: unknown yet.
        losses: one for each evaluation.
    """

    description: str
    total: int | None = None
    done: int = 0
    paced: bool = False
    loss: str = ""
    speed: float | None = None
    left: float | None = None
    losses: list[Losses] = field(default_factory=list)


class Rows(ABC):
    """The rows that one process shows, in the order in which they were added.

    Attributes:
        has_table: whether it shows the losses of a row as a table.
    """

    has_table = False

    @abstractmethod
    def add(self, row: Row) -> None:
        """Show a row from now on."""

    @abstractmethod
    def changed(self, row: Row) -> None:
        """Show what has changed in a row."""

    @abstractmethod
    def remove(self, row: Row, *, keep: bool = False) -> None:
        """Show a row no more; `keep`: its last state stays, above what comes."""

    @abstractmethod
    def clear(self) -> None:
        """Show no row any more."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a line above the rows."""
