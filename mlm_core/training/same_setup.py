"""Whether all ranks train the same: options, text, model; and, once it runs, weights."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlm_core.config.config import Config
from mlm_core.errors import RequestError, RunError
from mlm_core.ranks.errors import ranks_differ
from mlm_core.ranks.ranks import Ranks
from mlm_core.training.changes import checkpoint_facts
from mlm_core.training.recorded_options import TEXT_OPTIONS
from mlm_core.training.run_record import RECORD
from mlm_core.training.setup import TrainingSetup

_AGREED = ("save_steps", "resume", "verify_batches", "mlm_head", "compile", "hub_strategy", "shard")
"""Options that do not change the result, but by which a rank takes part in what all do."""

_PATIENCE = 10.0
"""Seconds in which a shared disk shows what another machine has written."""


def check_same_setup(setup: TrainingSetup, ranks: Ranks) -> None:
    """Check that all ranks were started with the same options, text and model.

    Raises:
        RequestError: a rank has something else than the first.
    """
    if ranks.count == 1:
        return
    options, config = Config.options(), setup.config.to_dict()
    values: list[tuple[str, Any]] = [
        (spec.flag, config[name])
        for name, spec in options.items()
        if (spec.affects == "result" and name not in (*TEXT_OPTIONS, "model")) or name in _AGREED
    ]
    facts = checkpoint_facts(setup)
    values += [("--dataset", [facts["fingerprint"], facts["blocks"]])]
    values += [("--model", [facts["model"], facts["masking"]])]
    ranks.check_same(values, ranks_differ)


def check_same_run(found: bool, output_dir: str | None, ranks: Ranks) -> None:
    """Check that every rank sees a run to resume, or none does.

    Args:
        found: whether this rank sees one.
        output_dir: where.
        ranks: the processes that train.

    Raises:
        RequestError: the first rank sees something else than this one.
    """
    with_first = ranks.from_first(found)
    with ranks.together():
        if found != with_first:
            seen = f"does not see the run that rank {0 if with_first else ranks.rank} sees there"
            raise RequestError(
                f"rank {ranks.rank if with_first else 0} {seen}",
                code="no_shared_disk",
                option="--output-dir",
                value=output_dir,
                fix="give a directory on a disk that all machines share",
            )


def check_shared_run(run: Path, ranks: Ranks) -> None:
    """Check that every rank sees the run's directory, in which the first rank has written its record.

    Raises:
        RequestError: a rank does not see it.
    """
    with ranks.together():
        until = time.monotonic() + _PATIENCE
        while not (run / RECORD).exists():
            if time.monotonic() > until:
                raise RequestError(
                    f"rank {ranks.rank} does not see the run that rank 0 has begun there",
                    code="no_shared_disk",
                    option="--output-dir",
                    value=str(run),
                    fix="give a directory on a disk that all machines share",
                )
            time.sleep(0.1)


def check_same_weights(weights: Mapping[str, Any], ranks: Ranks, step: int) -> None:
    """Check that all ranks have the same weights, to the bit.

    Args:
        weights: every parameter by canonical name.
        ranks: the ranks.
        step: optimizer steps done.

    Raises:
        RequestError: a rank begins with other weights.
        RunError: the ranks have drifted apart.
    """
    if ranks.count == 1:
        return
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):
        found.update(np.ascontiguousarray(weights[name]).data)

    def differ(what: str, rank: int) -> RequestError | RunError:
        if step == 0:
            return ranks_differ(what, rank)
        return RunError(
            f"after step {step} the weights of rank {rank} are not those of rank 0",
            code="ranks_drifted",
            fix="--resume continues from the newest complete checkpoint; report it as CONTRIBUTING.md says",
        )

    ranks.check_same([("--model", found.hexdigest())], differ)
