"""How a run can fail, and what to do then."""

from __future__ import annotations

from pathlib import Path

from mlm_core.errors import RunError
from mlm_core.training.checkpoint import Checkpoints


def out_of_memory() -> RunError:
    """Memory ran out, the device's or the machine's."""
    fix = "try a smaller --batch-size with more --gradient-accumulation-steps, or a smaller --block-size"
    return RunError("out of memory", code="out_of_memory", fix=fix)


def unwritable(error: OSError, place: Path, what: str = "") -> RunError:
    """Something of a run cannot be written."""
    return RunError(
        f"{what}cannot be written ({error.strerror or error})",
        code="unwritable",
        value=str(error.filename or place),
        fix="make room; with --resume the run goes on from its newest complete checkpoint",
    )


def not_finite(checkpoints: Checkpoints, message: str, good: int) -> RunError:
    """A loss, gradient or weight is not finite; the weights after `good` steps were in order.

    Later checkpoints are removed: `--resume` would meet the same end.
    """
    checkpoints.remove_behind(good)
    found = checkpoints.newest()
    fix = "try a lower --learning-rate or more --warmup-steps"
    if found is not None:
        again = "--resume --allow-change learning-rate,warmup-steps"
        fix += f"; with {again} it goes on from {found.path}, the last good checkpoint"
    return RunError(message, code="not_finite", fix=fix)


def without_best(step: int, damage: str) -> RunError:
    """The weights of the best evaluation cannot be read."""
    leave = "--no-load-best-model-at-end --allow-change load-best-model-at-end"
    return RunError(
        f"the best evaluation was at step {step}, but {damage}",
        code="damaged_checkpoint",
        fix=f"--resume {leave} ends with the weights of the last step",
    )
