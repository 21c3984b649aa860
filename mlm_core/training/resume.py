"""Resuming a run: from which checkpoint, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.training.changes import changes, changes_at_start, described
from mlm_core.training.checkpoint import Checkpoint, Checkpoints
from mlm_core.training.recorded_options import TEXT_OPTIONS, text_elsewhere
from mlm_core.training.recorder import check_metrics
from mlm_core.training.results import TrainingResult
from mlm_core.training.run_directory import finished_result, from_the_root
from mlm_core.training.run_files import METRICS
from mlm_core.training.run_record import RECORD, check_state, read_facts
from mlm_core.training.setup import TrainingSetup

_NO_ARITHMETIC = ("python", "tokenizers", "datasets", "safetensors", "huggingface_hub")
"""Packages whose version does not affect rounding: their results (text, tokens, weights) are compared."""


def finished_run(setup: TrainingSetup, progress: Progress) -> TrainingResult | None:
    """The result of a run that is asked to resume but has finished; None: there is something left to do.

    Raises:
        RequestError: an option or the text has changed since, so the result would be another.
    """
    finished = finished_result(setup.config) if setup.config.resume else None
    if finished is None:
        return None
    facts = read_facts(finished.run_dir) or {}
    if changes(setup, facts | facts["data"], str(finished.run_dir)):
        return None
    progress.say(f"{finished.run_dir} has already finished")
    return finished


def find_checkpoint(
    setup: TrainingSetup, versions: Mapping[str, str], progress: Progress
) -> Checkpoint | None:
    """The checkpoint from which a run resumes; None: the run starts at step 0.

    Args:
        setup: the current request.
        versions: of the installed packages.
        progress: shows what was found.

    Raises:
        RequestError: an option or the text has changed, so the result would be another; there is nothing left
            to do; a finished run has no checkpoint; or the metrics have changed.
    """
    config = setup.config
    checkpoints = Checkpoints(Path(str(config.output_dir)), config.keep_checkpoints)
    found = checkpoints.newest()
    for damaged in checkpoints.damaged:
        progress.warn(f"not used: {damaged}")
    finished = finished_result(config) is not None
    if found is None:
        if finished:
            raise _no_checkpoint(config)
        if checkpoints.damaged:
            raise _all_damaged(config, checkpoints.damaged)
        _check_start(setup, progress)
        progress.say("there is no checkpoint to resume from yet: starting at step 0")
        return None
    check_state(found.facts, found.path)
    changed = changes(setup, found.facts, str(found.path))
    if found.step > setup.plan.steps or (found.step == setup.plan.steps and finished):
        raise _too_short(config, found.step)
    check_metrics(checkpoints.run / METRICS, found.facts["recorder"])
    _say_changed(setup, changed, found.facts["config"], progress)
    if TEXT_OPTIONS[0] not in changed:
        _say_where(setup, found.facts["config"], progress)
    note = _rounding_note(found.facts, config, versions)
    rate = float(setup.learning_rates[min(found.step, setup.plan.steps - 1)])
    progress.say(f"resuming from step {found.step}, at learning rate {rate:.3g}{note}")
    return found


def _say_where(setup: TrainingSetup, before: Mapping[str, Any], progress: Progress) -> None:
    elsewhere = text_elsewhere(before, from_the_root(setup.config).to_dict(), setup.source.name)
    if elsewhere is not None:
        progress.say(elsewhere)


def _say_changed(
    setup: TrainingSetup, changed: list[str], before: Mapping[str, Any], progress: Progress
) -> None:
    if changed:
        progress.say(f"changed, as allowed: {described(changed, setup, before)}")


def _check_start(setup: TrainingSetup, progress: Progress) -> None:
    """Check the options, the text and the model of a run that starts at step 0."""
    run = Path(str(setup.config.output_dir))
    facts = read_facts(run)
    if facts is None:
        # The run was killed before it wrote its record, which so names nothing.
        return
    changed = changes_at_start(setup, facts, f"{run}/{RECORD}")
    _say_changed(setup, changed, facts["config"], progress)
    if TEXT_OPTIONS[0] not in changed:
        _say_where(setup, facts["config"], progress)


def _no_checkpoint(config: Config) -> RequestError:
    return RequestError(
        "the run has finished and has no complete checkpoint to resume from",
        code="no_checkpoint",
        option="--resume",
        value=config.output_dir,
        fix=f"start a new run with --model {config.output_dir}",
    )


def _all_damaged(config: Config, damaged: list[str]) -> RequestError:
    count = f"all {len(damaged)} checkpoints of the run are" if len(damaged) > 1 else "its only checkpoint is"
    return RequestError(
        f"{count} damaged ({damaged[0]}); nothing was changed",
        code="damaged_checkpoint",
        option="--resume",
        value=config.output_dir,
        fix="restore one, or start anew: in another --output-dir, or in this one with --overwrite",
    )


def _too_short(config: Config, step: int) -> RequestError:
    return RequestError(
        f"the run is already at step {step}",
        code="changed_plan",
        option="--max-steps" if config.max_steps else "--epochs",
        value=config.max_steps or config.epochs,
        fix="ask for more, or start a new run in another --output-dir",
    )


def _rounding_note(facts: Mapping[str, Any], now: Config, versions: Mapping[str, str]) -> str:
    before = Config.from_dict(facts["config"])
    changed = [
        f"{spec.flag} was {getattr(before, name)}"
        for name, spec in Config.options().items()
        if spec.affects == "rounding" and getattr(before, name) != getattr(now, name)
    ]
    changed += [
        f"{package} was {number}"
        for package, number in facts.get("versions", {}).items()
        if package in versions and package not in _NO_ARITHMETIC and versions[package] != number
    ]
    return f" ({', '.join(changed)}: dropout noise and the last bits may differ)" if changed else ""
