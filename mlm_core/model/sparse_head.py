"""Whether a model's head may be computed at the masked positions alone.

15% of the positions carry a label, and the projection onto the vocabulary is half of a small model's work:
gathering the masked positions before the head saves most of it. That is right where the head treats each
position by itself, as those of all common models do. The last layer of most encoders does, too, from where
its attention has mixed the positions: five sixths of its work. None of it is taken on trust.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.errors import first_line

TOLERANCE = 1e-4
"""Of the largest logit; float32 products of other shapes differ by about 1e-6."""


class MaskedPass(ABC):
    """The masked positions of the forward pass that is going on, in a framework's own array.

    Attributes:
        positions: None outside of such a pass, where all positions are wanted, and once they are gathered.
        place: where within the last layer they are gathered; None: behind the encoder.
    """

    positions: Any = None
    place: Any = None

    def begin_earlier(
        self, model: Any, places: Iterable[Any], logits: Callable[[], NDArray[np.float32]]
    ) -> None:
        """Gather within the last layer, at the first of these places where it gives the same logits, if any.

        Args:
            model: has the head as its `sparse_head` while `logits` are computed.
            places: in the order in which the forward pass comes to them.
            logits: of a batch, at its masked positions.
        """
        before, model.sparse_head = model.sparse_head, self
        try:
            self.place = earliest_place(places, self._gather_at, logits)
        finally:
            model.sparse_head = before

    @abstractmethod
    def _gather_at(self, place: Any) -> Callable[[], None]:
        """From now on take the positions there, if nobody has before; returns what ends that."""

    def take(self) -> Any:
        """The positions, for whoever gathers them first; None for all who come later."""
        positions, self.positions = self.positions, None
        return positions

    @contextmanager
    def at(self, positions: Any) -> Iterator[None]:
        """While inside, the head sees `[batch, slots]` positions, and gives logits of these."""
        self.positions = positions
        try:
            yield
        finally:
            self.positions = None


def earliest_place(
    places: Iterable[Any],
    gather_at: Callable[[Any], Callable[[], None]],
    logits: Callable[[], NDArray[np.float32]],
) -> Any:
    """The first place in a forward pass where gathering the masked positions gives the same logits.

    Args:
        places: in the order in which the forward pass comes to them.
        gather_at: gathers there, and returns what ends that.
        logits: of a batch, at its masked positions.

    Returns:
        The place, where it goes on gathering; None: there is none.
    """
    wanted = logits()
    for place in places:
        undo = gather_at(place)
        # Any class may fail in its own way where shapes are not what it expects.
        with suppress(Exception):
            if sparse_head_problem(wanted, logits()) is None:
                return place
        undo()
    return None


def choose_head(use: Callable[[bool], None], logits: Callable[[], NDArray[np.float32]]) -> str | None:
    """Take to the sparse head where it computes what the dense one does.

    Args:
        use: switches to the sparse head (True) or back to the dense one, which is in use.
        logits: of a batch, with the head that is in use.

    Returns:
        Why the dense head stays; None: the sparse one is in use.
    """
    dense = logits()
    try:
        use(True)
        problem = sparse_head_problem(dense, logits())
    except Exception as error:
        # Any class can be written in a way that this cannot work with, and fails in its own.
        problem = first_line(error)
    if problem is not None:
        use(False)
    return problem


def sparse_head_problem(dense: NDArray[np.float32], sparse: NDArray[np.float32]) -> str | None:
    """Why the sparse head cannot take the dense one's place, given both ones' logits; None: it can."""
    if dense.shape != sparse.shape:
        return f"its logits have shape {sparse.shape} in the place of {dense.shape}"
    apart = float(np.abs(dense - sparse).max())
    # Not "greater than": a logit that is not a number is a problem, too.
    if not apart <= TOLERANCE * max(1.0, float(np.abs(dense).max())):
        return f"its logits differ by {apart:.2g}"
    return None
