"""Errors of a run, each with its fix."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlm_core.errors import RunError
from mlm_core.metrics.sums import MaskedSums
from mlm_core.ranks.launch import launched
from mlm_core.ranks.notes import notes
from mlm_core.system.interruption import InterruptedRunError
from mlm_core.system.os_errors import advice, reason
from mlm_core.training.checkpoint import Checkpoints


def resume_command(run: Path, ranks: int | None = None) -> str:
    """The command that goes on with a run.

    Args:
        run: its directory.
        ranks: how many ranks `--nproc` starts; None: as many as the launcher of this process, if it has one.
    """
    if ranks is None:
        ranks = launched().count if notes() is not None else 1
    several = f" --nproc {ranks}" if ranks > 1 else ""
    return f"mlm train --output-dir {shlex.quote(str(run))} --resume{several}"


def interrupted_run(number: int, step: int, run: Path) -> InterruptedRunError:
    """The end of a run after a step, at a signal that a rank has received; the run is saved."""
    error = InterruptedRunError(number, step, f"to go on: {resume_command(run)}")
    # All ranks have it.
    error.said_by = 0
    return error


def explain_stop(error: BaseException, run: Path) -> None:
    """Add to a KeyboardInterrupt what is kept of the run, and the command that goes on."""
    if isinstance(error, KeyboardInterrupt):
        try:
            step = Checkpoints(run, 1).newest_step()
        except OSError:
            # The stop is what is told.
            return
        kept = "there is no checkpoint yet" if step is None else f"the newest checkpoint is of step {step}"
        error.add_note(f"{kept}; to {'start again' if step is None else 'go on'}: {resume_command(run)}")


def ended_early(step: int, steps: int) -> RunError:
    """Error: the framework ended its loop before the last step."""
    return RunError(
        f"training ended after step {step} of {steps}",
        code="ended_early",
        fix="--resume continues from the newest complete checkpoint",
    )


def out_of_memory() -> RunError:
    """Error: the device or the machine ran out of memory."""
    fix = "try a smaller --batch-size with more --gradient-accumulation-steps, or a smaller --block-size"
    return RunError("out of memory", code="out_of_memory", fix=fix)


def unwritable(error: OSError, place: Path, what: str = "") -> RunError:
    """Error: a file of a run cannot be written; `what` names it, with a space at its end."""
    again = "--resume continues from the newest complete checkpoint"
    return RunError(
        f"{what}cannot be written ({reason(error)})",
        code="unwritable",
        value=str(error.filename or place),
        fix="; ".join(part for part in (advice(error), again) if part),
    )


@contextmanager
def writing(place: Path, what: str = "") -> Iterator[None]:
    """While inside, an error of the operating system means that a file of the run cannot be written.

    Raises:
        RunError: see `unwritable`.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(error, place, what) from None


def not_finite(checkpoints: Checkpoints, message: str, good: int) -> RunError:
    """Error: a loss, gradient or weight is not finite; the weights after `good` steps were finite.

    Later checkpoints are removed: resumed from them, the run would fail again.
    """
    checkpoints.remove_after(good)
    found = checkpoints.newest()
    fix = "try a lower --learning-rate or more --warmup-steps"
    if found is not None:
        again = "--resume --allow-change learning-rate,warmup-steps"
        fix += f"; {again} continues from {found.path}, the last good checkpoint"
    return RunError(message, code="not_finite", fix=fix)


def bad_evaluation(checkpoints: Checkpoints, step: int, held_out: MaskedSums) -> RunError:
    """The error of a held-out loss after a step that is not finite."""
    return not_finite(checkpoints, f"the held-out loss after step {step} is {held_out.loss}", step - 1)


def without_best(step: int, damage: str) -> RunError:
    """Error: the weights of the best evaluation cannot be read."""
    leave = "--no-load-best-model-at-end --allow-change load-best-model-at-end"
    return RunError(
        f"the best evaluation was at step {step}, but {damage}",
        code="damaged_checkpoint",
        fix=f"--resume {leave} ends with the weights of the last step",
    )
