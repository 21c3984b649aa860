"""The ranks of a run: which rows are whose, sums over all of them, and what they do together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mlm_core.errors import MlmError
from mlm_core.ranks.errors import as_in, described
from mlm_core.ranks.launch import Launched
from mlm_core.system.interruption import waiting

T = TypeVar("T")


def rows_of(place: int, count: int, size: int) -> slice:
    """The rows of a micro-batch of `size` rows that belong to one of `count` ranks or replicas.

    The shares are as even as possible and in the order of the ranks; together they are the micro-batch.
    """
    return slice(place * size // count, (place + 1) * size // count)


class Gather(Protocol):
    """What every rank passed, in the order of the ranks, each of which must call it; from the framework.

    It waits as long as another rank is at work. With `soon`, all ranks are at the same place: one that does
    not answer within `--rank-timeout` is lost, where the framework cannot tell otherwise.
    """

    def __call__(self, content: bytes, *, soon: bool = False) -> list[bytes]:
        """Gather bytes."""


def _alone(content: bytes, *, soon: bool = False) -> list[bytes]:
    return [content]


@dataclass(frozen=True)
class Ranks:
    """This process among those that train one model.

    Attributes:
        place: its number, and the number of all.
        gather_bytes: gives what every rank passed to it.
    """

    place: Launched = field(default_factory=Launched)
    gather_bytes: Gather = _alone

    @property
    def rank(self) -> int:
        """The number of this rank, from 0."""
        return self.place.rank

    @property
    def count(self) -> int:
        """The number of ranks."""
        return self.place.count

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes, logs, publishes and prepares data."""
        return self.place.first

    def rows(self, size: int) -> slice:
        """This rank's rows of a micro-batch of `size` rows."""
        return rows_of(self.rank, self.count, size)

    def gather(self, value: Any, *, soon: bool = False) -> list[Any]:
        """What every rank passed, in the order of the ranks; values are JSON's. For `soon`, see `Gather`."""
        with waiting():
            gathered = self.gather_bytes(json.dumps(value).encode(), soon=soon)
        return [json.loads(content) for content in gathered]

    def from_first(self, value: T) -> T:
        """What the first rank passed."""
        return value if self.count == 1 else self.gather(value if self.first else None)[0]

    def add_up(self, values: Sequence[float]) -> list[float]:
        """Sums over all ranks, float64, added in the order of the ranks: every rank gets the same.

        All ranks come to it at about the same time.
        """
        return [sum(column) for column in zip(*self.gather(list(values), soon=True), strict=True)]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Every rank must enter; if one of them fails inside, all fail.

        The first of the ranks that failed raises its own error; the others raise an MlmError with the same
        message, whose `said_by` names that rank. Inside, no rank may wait for another.

        Raises:
            MlmError: another rank failed.
        """
        if self.count == 1:
            yield
            return
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
        outcomes = self.gather(None if failure is None else described(failure))
        failed = next((rank for rank, outcome in enumerate(outcomes) if outcome is not None), None)
        if failed is None:
            return
        if failed == self.rank and failure is not None:
            raise failure
        raise as_in(failed, outcomes[failed]) from None

    def in_turn(self, work: Callable[[], T]) -> T:
        """The first rank works while the others wait; then they do, and find what it has prepared.

        Raises:
            MlmError: another rank failed.
        """
        done: list[T] = []
        for turn in (True, False) if self.count > 1 else (True,):
            with self.together():
                if self.first == turn:
                    done.append(work())
        return done[0]

    def check_same(self, values: Sequence[tuple[str, Any]], error: Callable[[str, int], MlmError]) -> None:
        """Check that every rank passes the same named values.

        Args:
            values: names and values, JSON's.
            error: makes the error, given the name of the first value that differs and the rank.

        Raises:
            MlmError: a rank has another value than the first rank.
        """
        everyone = self.gather([list(pair) for pair in values])
        with self.together():
            # Every rank has seen the same; one speaks.
            if self.first:
                for rank, theirs in enumerate(everyone):
                    for (name, mine), (_, other) in zip(everyone[0], theirs, strict=True):
                        if mine != other:
                            raise error(name, rank)
