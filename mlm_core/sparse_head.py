"""Whether a model's head may be computed at the masked positions alone.

15% of the positions carry a label, and the projection onto the vocabulary is half of a small model's work:
gathering the masked positions before the head saves most of it. That is right where the head treats each
position by itself, as those of all common models do; it is not taken on trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.errors import first_line

TOLERANCE = 1e-4
"""Of the largest logit; float32 products of other shapes differ by about 1e-6."""


class MaskedPass:
    """The masked positions of the forward pass that is going on, in a framework's own array.

    `positions` is None outside of such a pass, and where all positions are wanted.
    """

    positions: Any = None

    @contextmanager
    def at(self, positions: Any) -> Iterator[None]:
        """While inside, the head sees `[batch, slots]` positions, and gives logits of these."""
        self.positions = positions
        try:
            yield
        finally:
            self.positions = None


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
