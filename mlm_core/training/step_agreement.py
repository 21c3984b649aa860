"""What all ranks must know after a step: whether one was asked to end, and the global batch's digest."""

from __future__ import annotations

from mlm_core.batches.verifier import BatchVerifier, digest_of_shares
from mlm_core.errors import RunError
from mlm_core.ranks.ranks import Ranks
from mlm_core.system.interruption import Interruption
from mlm_core.training.run_directory import RunDirectory


def agree(
    run: RunDirectory, ranks: Ranks, interruption: Interruption, verifier: BatchVerifier | None
) -> tuple[int | None, str | None]:
    """Exchange what the ranks know; every rank calls it after every step, and all get the same.

    Args:
        run: the run's directory.
        ranks: the processes that train.
        interruption: the signal that this rank has received.
        verifier: of the batches that this rank has received; None: they are not verified.

    Returns:
        The number of a signal that a rank has received, or None; and the digest of the global batch, or None.

    Raises:
        RunError: the run's directory was moved. Another run may be at its path; files are written by path.
    """
    problem = None
    try:
        # Two system calls.
        run.check_in_place()
    except RunError as error:
        problem = error
    note = bytes([interruption.received or 0, problem is not None])
    notes = ranks.gather_bytes(note + (verifier.take() if verifier is not None else b""), soon=True)
    if any(note[1] for note in notes):
        raise problem or run.moved()
    shares = [note[2:] for note in notes]
    return max(note[0] for note in notes) or None, digest_of_shares(shares) if shares[0] else None


def agreed_signal(ranks: Ranks, interruption: Interruption) -> int | None:
    """The number of a signal that a rank has received; every rank calls it, and all get the same."""
    notes = ranks.gather_bytes(bytes([interruption.received or 0]), soon=True)
    return max(note[0] for note in notes) or None
