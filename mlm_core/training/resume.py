"""Resuming a run: from which checkpoint, and whether the options are still the run's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlm_core.batches.masking_rule import rule_digest
from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.training.checkpoint import Checkpoint, Checkpoints
from mlm_core.training.recorded_options import TEXT_OPTIONS, text_elsewhere
from mlm_core.training.recorder import check_metrics
from mlm_core.training.results import TrainingResult
from mlm_core.training.run_directory import finished_result, from_the_root
from mlm_core.training.run_files import METRICS
from mlm_core.training.run_record import RECORD, check_state, read_facts
from mlm_core.training.setup import TrainingSetup

_LENGTH = ("epochs", "max_steps")
"""Two options for the length of a run: allowing a change of one allows a change of the other."""

_FIXED = ("model", "model_revision", "from_scratch")
"""Options that cannot change: the weights of a checkpoint depend on them."""


_NO_ARITHMETIC = ("python", "tokenizers", "datasets", "safetensors", "huggingface_hub")
"""Packages whose version does not affect rounding: their results (text, tokens, weights) are compared."""


def check_resume(config: Config) -> None:
    """Check `--allow-change`; nothing is read.

    Raises:
        RequestError: `--resume` is missing, or a named option does not affect the result or cannot change.
    """
    if config.allow_change is not None and not config.resume:
        raise RequestError(
            "requires --resume",
            code="usage",
            option="--allow-change",
            value=config.allow_change,
            fix="add --resume, or leave it out",
        )
    _allowed_changes(config)


def _allowed_changes(config: Config) -> frozenset[str]:
    written = (config.allow_change or "").replace(",", " ").split()
    names = [word.lstrip("-").replace("-", "_") for word in written]
    plan = [name for name, spec in Config.options().items() if spec.affects == "result"]
    for name in names:
        if name not in plan or name in _FIXED:
            reason = "cannot change in a run" if name in _FIXED else "not an option that affects the result"
            raise RequestError(
                reason,
                code="usage",
                option="--allow-change",
                value=name.replace("_", "-"),
                fix="start a new run in another --output-dir" if name in _FIXED else "leave it out",
            )
    return frozenset(names) | (frozenset(_LENGTH) if set(_LENGTH) & set(names) else frozenset())


def checkpoint_facts(setup: TrainingSetup) -> dict[str, Any]:
    """The facts of a run that every checkpoint records, to be compared when the run resumes."""
    return {
        "config": from_the_root(setup.config).to_dict(),
        "fingerprint": setup.source.fingerprint,
        "blocks": {part: facts.digest for part, facts in setup.stores.items()},
        "model": setup.model.digest,
        "masking": rule_digest(setup.train.rule),
    }


def finished_run(setup: TrainingSetup, progress: Progress) -> TrainingResult | None:
    """The result of a run that is asked to resume but has finished; None: there is something left to do.

    Raises:
        RequestError: an option or the text has changed since, so the result would be another.
    """
    finished = finished_result(setup.config) if setup.config.resume else None
    if finished is None:
        return None
    facts = read_facts(finished.run_dir) or {}
    if _changes(setup, facts | facts["data"], str(finished.run_dir)):
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
        _check_sources(setup, progress)
        progress.say("there is no checkpoint to resume from yet: starting at step 0")
        return None
    check_state(found.facts, found.path)
    changed = _changes(setup, found.facts, str(found.path))
    if found.step > setup.plan.steps or (found.step == setup.plan.steps and finished):
        raise _too_short(config, found.step)
    check_metrics(checkpoints.run / METRICS, found.facts["recorder"])
    if changed:
        now = from_the_root(config).to_dict()
        progress.say(f"changed, as allowed: {_listed(changed, found.facts['config'], now)}")
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


def _check_sources(setup: TrainingSetup, progress: Progress) -> None:
    """Check the text and the model of a run that starts at step 0.

    A record may come from somebody else and name any file of this user. Only who knows its content can record
    its digest.
    """
    run = Path(str(setup.config.output_dir))
    facts, place = read_facts(run), f"{run}/{RECORD}"
    if facts is None:
        # The run was killed before it wrote its record, which so names nothing.
        return
    before = facts.get("data", {})
    if before.get("fingerprint") != setup.source.fingerprint:
        _check_changed_text(setup, place, _allowed_changes(setup.config))
    else:
        _say_where(setup, facts["config"], progress)
    if before.get("model") != setup.model.digest:
        raise _changed_model(setup, place)


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


def _changes(setup: TrainingSetup, before: Mapping[str, Any], place: str) -> list[str]:
    """The options that affect the result and have changed since, each of them allowed to change.

    Raises:
        RequestError: an option, the text or the model has changed without permission.
    """
    allowed = _allowed_changes(setup.config)
    # Through a Config: the record of an earlier version lacks newer options.
    was = Config.from_dict(before["config"]).to_dict()
    now = from_the_root(setup.config).to_dict()
    changed = [
        name
        for name, spec in Config.options().items()
        if spec.affects == "result" and name not in TEXT_OPTIONS and was.get(name) != now[name]
    ]
    refused = [name for name in changed if name not in allowed]
    if _text_changed(before, checkpoint_facts(setup), changed):
        _check_changed_text(setup, place, allowed)
        changed.append(TEXT_OPTIONS[0])
    if refused:
        raise RequestError(
            f"has changed since {place} was written: {_listed(refused, was, now)}",
            code="changed_plan",
            option=flag_of(refused[0]),
            value=now[refused[0]],
            fix=_fix_for(changed, refused),
        )
    if before.get("model") != setup.model.digest:
        raise _changed_model(setup, place)
    # Earlier versions did not record it.
    if before.get("masking") not in (None, rule_digest(setup.train.rule)):
        raise RequestError(
            f"its tokenizer has other special tokens since {place} was written, so the masks are others",
            code="changed_model",
            option="--model",
            value=setup.config.model,
            fix="restore its files, or use the version of transformers that the run was started with",
        )
    return changed


def _changed_model(setup: TrainingSetup, place: str) -> RequestError:
    return RequestError(
        f"its config.json has changed since {place} was written",
        code="changed_model",
        option="--model",
        value=setup.config.model,
        fix="restore it, or start a new run in another --output-dir",
    )


def _text_changed(before: Mapping[str, Any], now: Mapping[str, Any], changed: Iterable[str]) -> bool:
    if before["fingerprint"] != now["fingerprint"]:
        return True
    # Other options make other blocks of the same text. With the same options the tokenizer must have changed.
    recut = any(Config.options()[name].group == "DataConfig" or name == "seed" for name in changed)
    return not recut and before["blocks"] != now["blocks"]


def _check_changed_text(setup: TrainingSetup, place: str, allowed: Iterable[str]) -> None:
    # A model made from scratch has a tokenizer that was trained on the text.
    text, learned = TEXT_OPTIONS[0], setup.model.digest is None
    if text in allowed and not learned:
        return
    raise RequestError(
        f"the text or its tokens have changed since {place} was written",
        code="changed_data",
        option=flag_of(text),
        value=setup.source.name,
        fix=_fix_for([text], [_FIXED[0] if learned else text]),
    )


def _fix_for(changed: Iterable[str], refused: Iterable[str]) -> str:
    another = "start a new run in another --output-dir"
    if set(_FIXED) & set(refused):
        return another
    return f"{another}, or resume with --allow-change {','.join(flag_of(n)[2:] for n in changed)}"


def _listed(names: list[str], was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return ", ".join(
        "the text" if name in TEXT_OPTIONS else f"{flag_of(name)} was {was.get(name)}, is {now[name]}"
        for name in names
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
