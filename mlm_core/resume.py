"""Going on with a run: from which checkpoint, and whether it is the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlm_core.checkpoint import Checkpoint, Checkpoints
from mlm_core.config import Config
from mlm_core.errors import RequestError
from mlm_core.job import TrainingJob
from mlm_core.option_names import flag_of
from mlm_core.progress import Progress
from mlm_core.results import TrainingResult
from mlm_core.run_directory import finished_result, from_the_root, read_facts

_BY_CONTENT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options about the text: the blocks that come of it are compared, under the name of the first."""

_FIXED = ("model", "from_scratch")
"""Options without which the weights of a checkpoint mean nothing."""


def check_resume(config: Config) -> None:
    """Refuse what `--allow-change` cannot allow; nothing is read.

    Raises:
        RequestError: it stands without `--resume`, or names what is no option of the plan or cannot change.
    """
    if config.allow_change is not None and not config.resume:
        raise RequestError(
            "is about a run that goes on",
            code="usage",
            option="--allow-change",
            value=config.allow_change,
            fix="give --resume, too, or leave it out",
        )
    _allowed_changes(config)


def _allowed_changes(config: Config) -> frozenset[str]:
    written = (config.allow_change or "").replace(",", " ").split()
    names = [word.lstrip("-").replace("-", "_") for word in written]
    plan = [name for name, spec in Config.options().items() if spec.affects == "plan"]
    for name in names:
        if name not in plan or name in _FIXED:
            reason = "cannot change in a run" if name in _FIXED else "is no option that decides the result"
            raise RequestError(
                reason,
                code="usage",
                option="--allow-change",
                value=name.replace("_", "-"),
                fix="begin another run in another --output-dir" if name in _FIXED else "leave it out",
            )
    return frozenset(names)


def checkpoint_facts(job: TrainingJob) -> dict[str, Any]:
    """What a run notes of itself in every checkpoint, for a later one to compare."""
    return {
        "config": from_the_root(job.config).to_dict(),
        "fingerprint": job.source.fingerprint,
        "blocks": {part: facts.digest for part, facts in job.stores.items()},
    }


def finished_run(job: TrainingJob, progress: Progress) -> TrainingResult | None:
    """What a run that is asked to go on has come to already; None: there is something left to do.

    Raises:
        RequestError: it has finished as another run: something that decides the result has changed.
    """
    finished = finished_result(job.config) if job.config.resume else None
    if finished is None:
        return None
    facts = read_facts(finished.run_dir) or {}
    if _changes(job, facts | facts["data"], str(finished.run_dir)):
        return None
    progress.say(f"{finished.run_dir} is finished already")
    return finished


def find_checkpoint(job: TrainingJob, progress: Progress) -> Checkpoint | None:
    """The checkpoint that a run asked to resume goes on from; None: it begins at step 0.

    Raises:
        RequestError: it is another run: something that decides the result has changed; the checkpoint
            lies behind the end of the plan; or a finished run has none.
    """
    config = job.config
    if not config.resume:
        return None
    checkpoints = Checkpoints(Path(str(config.output_dir)), config.keep_checkpoints)
    found = checkpoints.newest()
    for damaged in checkpoints.damaged:
        progress.say(f"not used: {damaged}")
    if found is None and finished_result(config) is not None:
        raise RequestError(
            "the run has finished, and has no complete checkpoint left to go on from",
            code="no_checkpoint",
            option="--resume",
            value=config.output_dir,
            fix=f"begin another run with --model {config.output_dir}",
        )
    if found is None:
        progress.say("there is no complete checkpoint to go on from: beginning at step 0")
        return None
    changed = _changes(job, found.facts, str(found.path))
    if found.step > job.plan.steps:
        raise RequestError(
            f"the run is at step {found.step} already",
            code="changed_plan",
            option="--max-steps" if config.max_steps else "--epochs",
            value=config.max_steps or config.epochs,
            fix="give more, or begin another run in another --output-dir",
        )
    if changed:
        now = from_the_root(config).to_dict()
        progress.say(f"changed, as allowed: {_listed(changed, found.facts['config'], now)}")
    note = _rounding_note(Config.from_dict(found.facts["config"]), config)
    progress.say(f"going on from step {found.step}{note}")
    return found


def _changes(job: TrainingJob, before: Mapping[str, Any], place: str) -> list[str]:
    """The options of the plan that have changed since, all of them with leave.

    Raises:
        RequestError: one has changed without.
    """
    allowed = _allowed_changes(job.config)
    was, now = before["config"], from_the_root(job.config).to_dict()
    changed = [
        name
        for name, spec in Config.options().items()
        if spec.affects == "plan" and name not in _BY_CONTENT and was.get(name) != now[name]
    ]
    refused = next((name for name in changed if name not in allowed), None)
    if refused is not None:
        raise RequestError(
            f"was {was.get(refused)} when {place} was written",
            code="changed_plan",
            option=flag_of(refused),
            value=now[refused],
            fix=_way_out(refused),
        )
    if _text_changed(before, checkpoint_facts(job), changed):
        _check_changed_text(job, place, allowed)
        changed.append(_BY_CONTENT[0])
    return changed


def _text_changed(before: Mapping[str, Any], now: Mapping[str, Any], changed: Iterable[str]) -> bool:
    if before["fingerprint"] != now["fingerprint"]:
        return True
    # The same text makes other blocks with other options, or else the tokenizer is another.
    recut = any(Config.options()[name].group == "DataConfig" or name == "seed" for name in changed)
    return not recut and before["blocks"] != now["blocks"]


def _check_changed_text(job: TrainingJob, place: str, allowed: Iterable[str]) -> None:
    # A model without a tokenizer of its own has learned one from the text.
    if _BY_CONTENT[0] in allowed and job.config.model is not None:
        return
    raise RequestError(
        f"the text, or its tokens, have changed since {place} was written",
        code="changed_data",
        option=flag_of(_BY_CONTENT[0]),
        value=job.source.name,
        fix=_way_out(_BY_CONTENT[0] if job.config.model is not None else _FIXED[0]),
    )


def _way_out(name: str) -> str:
    another = "begin another run in another --output-dir"
    if name in _FIXED:
        return another
    return f"{another}, or go on all the same with --allow-change {flag_of(name)[2:]}"


def _listed(names: list[str], was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return ", ".join(
        "the text" if name in _BY_CONTENT else f"{flag_of(name)} from {was.get(name)} to {now[name]}"
        for name in names
    )


def _rounding_note(before: Config, now: Config) -> str:
    changed = [
        f"{spec.flag} was {getattr(before, name)}"
        for name, spec in Config.options().items()
        if spec.affects == "rounding" and getattr(before, name) != getattr(now, name)
    ]
    return f" ({', '.join(changed)}: the last bits may differ)" if changed else ""
