"""Going on with a run: from which checkpoint, and whether it is the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.training.checkpoint import Checkpoint, Checkpoints
from mlm_core.training.recorder import check_metrics
from mlm_core.training.resolve import TEXT_OPTIONS
from mlm_core.training.results import TrainingResult
from mlm_core.training.run_directory import METRICS, finished_result, from_the_root, read_facts
from mlm_core.training.setup import TrainingSetup

_LENGTH = ("epochs", "max_steps")
"""Two ways to say how long a run is: leave for one is leave for the other."""

_FIXED = ("model", "model_revision", "from_scratch")
"""Options without which the weights of a checkpoint mean nothing."""


_NO_ARITHMETIC = ("python", "tokenizers", "datasets", "safetensors", "huggingface_hub")
"""Packages whose version does not matter to the last bits: what comes of them is compared itself."""


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
    plan = [name for name, spec in Config.options().items() if spec.affects == "result"]
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
    return frozenset(names) | (frozenset(_LENGTH) if set(_LENGTH) & set(names) else frozenset())


def checkpoint_facts(setup: TrainingSetup) -> dict[str, Any]:
    """What a run notes of itself in every checkpoint, for a later one to compare."""
    return {
        "config": from_the_root(setup.config).to_dict(),
        "fingerprint": setup.source.fingerprint,
        "blocks": {part: facts.digest for part, facts in setup.stores.items()},
        "model": setup.model.digest,
    }


def finished_run(setup: TrainingSetup, progress: Progress) -> TrainingResult | None:
    """What a run that is asked to go on has come to already; None: there is something left to do.

    Raises:
        RequestError: it has finished as another run: something that decides the result has changed.
    """
    finished = finished_result(setup.config) if setup.config.resume else None
    if finished is None:
        return None
    facts = read_facts(finished.run_dir) or {}
    if _changes(setup, facts | facts["data"], str(finished.run_dir)):
        return None
    progress.say(f"{finished.run_dir} is finished already")
    return finished


def find_checkpoint(
    setup: TrainingSetup, versions: Mapping[str, str], progress: Progress
) -> Checkpoint | None:
    """The checkpoint that a run asked to resume goes on from; None: it begins at step 0.

    Args:
        setup: what is asked for now.
        versions: of the packages that are installed now.
        progress: where it is said.

    Raises:
        RequestError: it is another run: something that decides the result has changed; there is nothing
            left to do; a finished run has no checkpoint; or the metrics have changed.
    """
    config = setup.config
    checkpoints = Checkpoints(Path(str(config.output_dir)), config.keep_checkpoints)
    found = checkpoints.newest()
    for damaged in checkpoints.damaged:
        progress.warn(f"not used: {damaged}")
    finished = finished_result(config) is not None
    if found is None:
        if finished:
            raise _nothing_to_go_on_from(config)
        progress.say("there is no complete checkpoint to go on from: beginning at step 0")
        return None
    changed = _changes(setup, found.facts, str(found.path))
    if found.step > setup.plan.steps or (found.step == setup.plan.steps and finished):
        raise _too_short(config, found.step)
    check_metrics(checkpoints.run / METRICS, found.facts["recorder"])
    if changed:
        now = from_the_root(config).to_dict()
        progress.say(f"changed, as allowed: {_listed(changed, found.facts['config'], now)}")
    note = _rounding_note(found.facts, config, versions)
    rate = float(setup.learning_rates[min(found.step, setup.plan.steps - 1)])
    progress.say(f"going on from step {found.step}, at learning rate {rate:.3g}{note}")
    return found


def _nothing_to_go_on_from(config: Config) -> RequestError:
    return RequestError(
        "the run has finished, and has no complete checkpoint left to go on from",
        code="no_checkpoint",
        option="--resume",
        value=config.output_dir,
        fix=f"begin another run with --model {config.output_dir}",
    )


def _too_short(config: Config, step: int) -> RequestError:
    return RequestError(
        f"the run is at step {step} already",
        code="changed_plan",
        option="--max-steps" if config.max_steps else "--epochs",
        value=config.max_steps or config.epochs,
        fix="give more, or begin another run in another --output-dir",
    )


def _changes(setup: TrainingSetup, before: Mapping[str, Any], place: str) -> list[str]:
    """The options of the plan that have changed since, all of them with leave.

    Raises:
        RequestError: one has changed without.
    """
    allowed = _allowed_changes(setup.config)
    # Through a Config: a run of an earlier version has no value for options that are newer than it.
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
            f"not as when {place} was written: {_listed(refused, was, now)}",
            code="changed_plan",
            option=flag_of(refused[0]),
            value=now[refused[0]],
            fix=_way_out(changed, refused),
        )
    if before.get("model") != setup.model.digest:
        raise RequestError(
            f"its config.json has changed since {place} was written",
            code="changed_model",
            option="--model",
            value=setup.config.model,
            fix="put it back, or begin another run in another --output-dir",
        )
    return changed


def _text_changed(before: Mapping[str, Any], now: Mapping[str, Any], changed: Iterable[str]) -> bool:
    if before["fingerprint"] != now["fingerprint"]:
        return True
    # The same text makes other blocks with other options, or else the tokenizer is another.
    recut = any(Config.options()[name].group == "DataConfig" or name == "seed" for name in changed)
    return not recut and before["blocks"] != now["blocks"]


def _check_changed_text(setup: TrainingSetup, place: str, allowed: Iterable[str]) -> None:
    # A model that was made for the text has learned its tokenizer from it.
    text, learned = TEXT_OPTIONS[0], setup.model.digest is None
    if text in allowed and not learned:
        return
    raise RequestError(
        f"the text, or its tokens, have changed since {place} was written",
        code="changed_data",
        option=flag_of(text),
        value=setup.source.name,
        fix=_way_out([text], [_FIXED[0] if learned else text]),
    )


def _way_out(changed: Iterable[str], refused: Iterable[str]) -> str:
    another = "begin another run in another --output-dir"
    if set(_FIXED) & set(refused):
        return another
    return f"{another}, or go on all the same with --allow-change {','.join(flag_of(n)[2:] for n in changed)}"


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
    return f" ({', '.join(changed)}: dropout's noise and the last bits may differ)" if changed else ""
