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
from mlm_core.recorder import check_metrics
from mlm_core.results import TrainingResult
from mlm_core.run_directory import METRICS, config_of, finished_result, from_the_root, read_facts

_BY_CONTENT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options about the text: the blocks that come of it are compared, under the name of the first."""

_EACH_TIME = (
    "device", "output_dir", "resume", "allow_change", "overwrite", "quiet", "verbose", "verify_batches",
)  # fmt: skip
"""Options that are asked for anew when a run goes on."""

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
    return frozenset(names) | (frozenset(_LENGTH) if set(_LENGTH) & set(names) else frozenset())


def with_recorded(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, and for a run that goes on those that it was begun with where none are given.

    Args:
        given: options by Python name; those that are None count as not given.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if not Config.from_dict(chosen).resume or "output_dir" not in chosen:
        return chosen
    try:
        facts = read_facts(Path(str(chosen["output_dir"])))
        recorded = config_of(facts, Path(str(chosen["output_dir"]))).to_dict() if facts is not None else {}
    except RequestError:
        # What is wrong with the record is said when the run is opened.
        return chosen
    if chosen.get("precision") == "auto" and "precision" in recorded:
        # It was decided when the run began.
        del chosen["precision"]
    if "dataset" in chosen and str(Path(str(chosen["dataset"])).absolute()) != recorded.get("dataset"):
        recorded = {name: value for name, value in recorded.items() if name not in _BY_CONTENT}
    if "epochs" in chosen:
        # The length was asked for in the other way.
        recorded.pop("max_steps", None)
    return {name: value for name, value in recorded.items() if name not in _EACH_TIME} | chosen


def checkpoint_facts(job: TrainingJob) -> dict[str, Any]:
    """What a run notes of itself in every checkpoint, for a later one to compare."""
    return {
        "config": from_the_root(job.config).to_dict(),
        "fingerprint": job.source.fingerprint,
        "blocks": {part: facts.digest for part, facts in job.stores.items()},
        "model": job.model.digest,
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


def find_checkpoint(job: TrainingJob, versions: Mapping[str, str], progress: Progress) -> Checkpoint | None:
    """The checkpoint that a run asked to resume goes on from; None: it begins at step 0.

    Args:
        job: what is asked for now.
        versions: of the packages that are installed now.
        progress: where it is said.

    Raises:
        RequestError: it is another run: something that decides the result has changed; there is nothing
            left to do; a finished run has no checkpoint; or the metrics have changed.
    """
    config = job.config
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
    changed = _changes(job, found.facts, str(found.path))
    if found.step > job.plan.steps or (found.step == job.plan.steps and finished):
        raise _too_short(config, found.step)
    check_metrics(checkpoints.run / METRICS, found.facts["recorder"])
    if changed:
        now = from_the_root(config).to_dict()
        progress.say(f"changed, as allowed: {_listed(changed, found.facts['config'], now)}")
    note = _rounding_note(found.facts, config, versions)
    rate = float(job.learning_rates[min(found.step, job.plan.steps - 1)])
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


def _changes(job: TrainingJob, before: Mapping[str, Any], place: str) -> list[str]:
    """The options of the plan that have changed since, all of them with leave.

    Raises:
        RequestError: one has changed without.
    """
    allowed = _allowed_changes(job.config)
    # Through a Config: a run of an earlier version has no value for options that are newer than it.
    was = Config.from_dict(before["config"]).to_dict()
    now = from_the_root(job.config).to_dict()
    changed = [
        name
        for name, spec in Config.options().items()
        if spec.affects == "plan" and name not in _BY_CONTENT and was.get(name) != now[name]
    ]
    refused = [name for name in changed if name not in allowed]
    if _text_changed(before, checkpoint_facts(job), changed):
        _check_changed_text(job, place, allowed)
        changed.append(_BY_CONTENT[0])
    if refused:
        raise RequestError(
            f"not as when {place} was written: {_listed(refused, was, now)}",
            code="changed_plan",
            option=flag_of(refused[0]),
            value=now[refused[0]],
            fix=_way_out(changed, refused),
        )
    if before.get("model") != job.model.digest:
        raise RequestError(
            f"its config.json has changed since {place} was written",
            code="changed_model",
            option="--model",
            value=job.config.model,
            fix="put it back, or begin another run in another --output-dir",
        )
    return changed


def _text_changed(before: Mapping[str, Any], now: Mapping[str, Any], changed: Iterable[str]) -> bool:
    if before["fingerprint"] != now["fingerprint"]:
        return True
    # The same text makes other blocks with other options, or else the tokenizer is another.
    recut = any(Config.options()[name].group == "DataConfig" or name == "seed" for name in changed)
    return not recut and before["blocks"] != now["blocks"]


def _check_changed_text(job: TrainingJob, place: str, allowed: Iterable[str]) -> None:
    # A model that was made for the text has learned its tokenizer from it.
    text, learned = _BY_CONTENT[0], job.model.digest is None
    if text in allowed and not learned:
        return
    raise RequestError(
        f"the text, or its tokens, have changed since {place} was written",
        code="changed_data",
        option=flag_of(text),
        value=job.source.name,
        fix=_way_out([text], [_FIXED[0] if learned else text]),
    )


def _way_out(changed: Iterable[str], refused: Iterable[str]) -> str:
    another = "begin another run in another --output-dir"
    if set(_FIXED) & set(refused):
        return another
    return f"{another}, or go on all the same with --allow-change {','.join(flag_of(n)[2:] for n in changed)}"


def _listed(names: list[str], was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return ", ".join(
        "the text" if name in _BY_CONTENT else f"{flag_of(name)} was {was.get(name)}, is {now[name]}"
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
