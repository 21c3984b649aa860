"""Going on with a run: from which checkpoint, and whether it is the same run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.checkpoint import Checkpoint, Checkpoints
from mlm_core.config import Config
from mlm_core.errors import RequestError
from mlm_core.job import TrainingJob
from mlm_core.progress import Progress
from mlm_core.run_directory import from_the_root

_BY_CONTENT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options about the text: the text itself is compared."""


def checkpoint_facts(job: TrainingJob) -> dict[str, Any]:
    """What a checkpoint notes of its run, for `find_checkpoint` to compare."""
    return {"config": from_the_root(job.config).to_dict(), "fingerprint": job.source.fingerprint}


def find_checkpoint(job: TrainingJob, progress: Progress) -> Checkpoint | None:
    """The checkpoint that a run asked to resume goes on from; None: it begins at step 0.

    Raises:
        RequestError: it is another run: something that decides the result has changed.
    """
    config = job.config
    if not config.resume:
        return None
    checkpoints = Checkpoints(Path(str(config.output_dir)), config.keep_checkpoints)
    found = checkpoints.newest()
    for damaged in checkpoints.damaged:
        progress.say(f"not used: {damaged}")
    if found is None:
        progress.say("there is no complete checkpoint to go on from: beginning at step 0")
        return None
    _check_same_run(job, found)
    note = _rounding_note(Config.from_dict(found.facts["config"]), config)
    progress.say(f"going on from step {found.step}{note}")
    return found


def _check_same_run(job: TrainingJob, checkpoint: Checkpoint) -> None:
    before: Mapping[str, Any] = checkpoint.facts["config"]
    now = from_the_root(job.config).to_dict()
    for name, spec in Config.options().items():
        if spec.affects == "plan" and name not in _BY_CONTENT and before.get(name) != now[name]:
            raise RequestError(
                f"was {before.get(name)} when {checkpoint.path} was written",
                code="changed_plan",
                option=spec.flag,
                value=now[name],
                fix="give the same value, or begin another run in another --output-dir",
            )
    if checkpoint.facts["fingerprint"] != job.source.fingerprint:
        raise RequestError(
            f"the text has changed since {checkpoint.path} was written",
            code="changed_data",
            option="--dataset",
            value=job.source.name,
            fix="put it back, or begin another run in another --output-dir",
        )


def _rounding_note(before: Config, now: Config) -> str:
    changed = [
        f"{spec.flag} was {getattr(before, name)}"
        for name, spec in Config.options().items()
        if spec.affects == "rounding" and getattr(before, name) != getattr(now, name)
    ]
    return f" ({', '.join(changed)}: the last bits may differ)" if changed else ""
