"""The sparse head: a model's head computed at the masked positions only, if that gives the same logits.

15% of the positions have a label, and the projection onto the vocabulary is half of a small model's work.
Gathering the masked positions before the head saves most of that work. It is correct if the head treats each
position separately, as the heads of all common models do. So does the last layer of most encoders, after its
attention has mixed the positions: three quarters of the layer's products. Both are checked for every model,
by comparing logits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.errors import first_line

TOLERANCE = 1e-4
"""The largest difference allowed, relative to the largest logit. float32 matmuls of other shapes differ by
about 1e-6."""


class MaskedPass(ABC):
    """The masked positions of the current forward pass, in a framework's own array.

    Attributes:
        positions: `[batch, slots]`, assigned before each pass; None: all positions are needed, or the
            positions are gathered already. No context manager sets them: compilers would stop at it.
        place: the place in the last layer where they are gathered; None: after the encoder.
    """

    positions: Any = None
    place: Any = None

    def begin_earlier(
        self, model: Any, places: Iterable[Any], logits: Callable[[], NDArray[np.float32]]
    ) -> None:
        """Gather in the last layer, at the first of these places that gives the same logits, if there is one.

        Args:
            model: the model; its `sparse_head` is this object while `logits` runs.
            places: in the order in which the forward pass reaches them.
            logits: computes the logits of a batch at its masked positions, `[batch, slots, vocabulary]`.
        """
        before, model.sparse_head = model.sparse_head, self
        try:
            self.place = earliest_place(places, self._gather_at, logits)
        finally:
            model.sparse_head = before

    @abstractmethod
    def _gather_at(self, place: Any) -> Callable[[], None]:
        """Start gathering the positions at a place, unless they are gathered earlier; returns a function to
        stop."""

    def take(self) -> Any:
        """The positions, for the first call in a forward pass; None for later calls."""
        positions, self.positions = self.positions, None
        return positions


def earliest_place(
    places: Iterable[Any],
    gather_at: Callable[[Any], Callable[[], None]],
    logits: Callable[[], NDArray[np.float32]],
) -> Any:
    """The first place in a forward pass where gathering the masked positions gives the same logits.

    Args:
        places: in the order in which the forward pass reaches them.
        gather_at: starts gathering at a place, and returns a function that stops it.
        logits: computes the logits of a batch at its masked positions, `[batch, slots, vocabulary]`.

    Returns:
        The place, where gathering continues; None: there is no such place.
    """
    wanted = logits()
    for place in places:
        undo = gather_at(place)
        # With shapes that a class does not expect, it may raise any exception.
        with suppress(Exception):
            if sparse_head_problem(wanted, logits()) is None:
                return place
        undo()
    return None


def choose_head(use: Callable[[bool], None], logits: Callable[[], NDArray[np.float32]]) -> str | None:
    """Switch from the dense to the sparse head if the logits are the same.

    Args:
        use: switches to the sparse head (True) or back to the dense head (False).
        logits: computes the logits of a batch at its masked positions, with the head in use, `[batch, slots,
            vocabulary]`.

    Returns:
        The reason why the dense head stays in use; None: the sparse head is in use.
    """
    dense = logits()
    try:
        use(True)
        problem = sparse_head_problem(dense, logits())
    except Exception as error:
        # A class that does not work with a sparse head may raise any exception.
        problem = first_line(error)
    if problem is not None:
        use(False)
    return problem


def sparse_head_problem(dense: NDArray[np.float32], sparse: NDArray[np.float32]) -> str | None:
    """Why the sparse head cannot replace the dense head, given the logits of both; None: it can."""
    if dense.shape != sparse.shape:
        return f"its logits have shape {sparse.shape}, not {dense.shape}"
    apart = float(np.abs(dense - sparse).max())
    # Not "greater than", so that nan is a problem, too.
    if not apart <= TOLERANCE * max(1.0, float(np.abs(dense).max())):
        return f"its logits differ by {apart:.2g}"
    return None
