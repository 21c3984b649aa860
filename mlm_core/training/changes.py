"""What has changed since a run began, and what of it may change when the run resumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlm_core.batches.masking_rule import rule_digest
from mlm_core.config.config import Config
from mlm_core.config.option_names import flag_of
from mlm_core.errors import RequestError
from mlm_core.training.recorded_options import TEXT_OPTIONS
from mlm_core.training.run_directory import from_the_root
from mlm_core.training.setup import TrainingSetup

_LENGTH = ("epochs", "max_steps")
"""Two options for the length of a run: allowing a change of one allows a change of the other."""

_FIXED = ("model", "model_revision", "from_scratch")
"""Options that cannot change: the weights of a checkpoint depend on them."""


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


def changes(setup: TrainingSetup, before: Mapping[str, Any], place: str) -> list[str]:
    """The options that affect the result and have changed since, each of them allowed to change.

    Raises:
        RequestError: an option, the text or the model has changed without permission.
    """
    allowed = _allowed_changes(setup.config)
    changed = _changed_options(setup, before["config"])
    if _text_changed(before, checkpoint_facts(setup), changed):
        _check_changed_text(setup, place, allowed)
        changed.append(TEXT_OPTIONS[0])
    _check_allowed(setup, changed, allowed, before["config"], place)
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


def _changed_options(setup: TrainingSetup, before: Mapping[str, Any]) -> list[str]:
    """The options, those about the text left out, that affect the result and are others than before."""
    # Through a Config: the record of an earlier version lacks newer options. None is no value yet there.
    was = Config.from_dict(before).to_dict()
    unknown = {name for name, value in was.items() if value is None and name not in before}
    now = from_the_root(setup.config).to_dict()
    return [
        name
        for name, spec in Config.options().items()
        if spec.affects == "result" and name not in (*TEXT_OPTIONS, *unknown) and was.get(name) != now[name]
    ]


def _check_allowed(
    setup: TrainingSetup, changed: list[str], allowed: Iterable[str], before: Mapping[str, Any], place: str
) -> None:
    refused = [name for name in changed if name not in {*allowed, TEXT_OPTIONS[0]}]
    if refused:
        raise RequestError(
            f"has changed since {place} was written: {described(refused, setup, before)}",
            code="changed_plan",
            option=flag_of(refused[0]),
            value=getattr(setup.config, refused[0]),
            fix=_fix_for(changed, refused),
        )


def _changed_model(setup: TrainingSetup, place: str) -> RequestError:
    return RequestError(
        f"its config.json has changed since {place} was written",
        code="changed_model",
        option="--model",
        value=setup.config.model,
        fix="restore it, or start a new run in another --output-dir",
    )


def changes_at_start(setup: TrainingSetup, facts: Mapping[str, Any], place: str) -> list[str]:
    """The same for a run without a checkpoint; `facts` is its record, whose text and model may be unknown.

    A record may come from somebody else and name any file of this user. Only who knows its content can record
    its digest.
    """
    before, allowed = facts.get("data", {}), _allowed_changes(setup.config)
    changed = _changed_options(setup, facts["config"])
    if before.get("fingerprint") != setup.source.fingerprint:
        _check_changed_text(setup, place, allowed)
        changed.append(TEXT_OPTIONS[0])
    _check_allowed(setup, changed, allowed, facts["config"], place)
    if before.get("model") != setup.model.digest:
        raise _changed_model(setup, place)
    return changed


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


def described(names: Iterable[str], setup: TrainingSetup, before: Mapping[str, Any]) -> str:
    """The options with their values before and now, in words.

    Args:
        names: the options.
        setup: the current request.
        before: the recorded options.
    """
    now = from_the_root(setup.config).to_dict()
    return "; ".join(
        "the text"
        if name in TEXT_OPTIONS
        else f"{flag_of(name)} was {_said(before, name)}, is {_said(now, name)}"
        for name in names
    )


def _said(options: Mapping[str, Any], name: str) -> object:
    return "not given" if options.get(name) is None else options[name]
