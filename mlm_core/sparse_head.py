"""Whether a model's head may be computed at the masked positions alone.

15% of the positions carry a label, and the projection onto the vocabulary is half of a small model's work:
gathering the masked positions before the head saves most of it. That is right where the head treats each
position by itself, as those of all common models do; it is not taken on trust.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4
"""Of the largest logit; float32 products of other shapes differ by about 1e-6."""


def sparse_head_problem(dense: NDArray[np.float32], sparse: NDArray[np.float32]) -> str | None:
    """Why the sparse head cannot take the dense one's place, given both ones' logits; None: it can."""
    if dense.shape != sparse.shape:
        return f"its logits have shape {sparse.shape} in the place of {dense.shape}"
    apart = float(np.abs(dense - sparse).max())
    # Not "greater than": a logit that is not a number is a problem, too.
    if not apart <= TOLERANCE * max(1.0, float(np.abs(dense).max())):
        return f"its logits differ by {apart:.2g}"
    return None
