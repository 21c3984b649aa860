"""Which options a resumed run takes from its record, and which it takes from the new command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config
from mlm_core.data.embedded_corpus import REFERENCE
from mlm_core.data.sources import FROM_PYTHON
from mlm_core.errors import RequestError
from mlm_core.ranks.launch import launched
from mlm_core.training.run_record import config_of, read_facts

TEXT_OPTIONS = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options about the text. A resumed run compares the blocks instead; its errors name the first of these."""

_PERMISSIONS = ("allow_pickle", "trust_remote_code")


def with_recorded(config: Config) -> Config:
    """Add the recorded options of the run that a config resumes; given options stay.

    Args:
        config: the given options; `config.given` names them.
    """
    if not config.resume or config.output_dir is None:
        return config
    values = config.to_dict()
    chosen = {name: values[name] for name in config.given if values[name] is not None}
    try:
        facts = read_facts(Path(config.output_dir))
        recorded = config_of(facts, Path(config.output_dir)).to_dict() if facts is not None else {}
    except RequestError:
        # Opening the run raises the error of a damaged record.
        return config
    if chosen.get("precision") == "auto" and "precision" in recorded:
        # It was resolved when the run began.
        del chosen["precision"]
    if "dataset" in chosen and str(Path(str(chosen["dataset"])).absolute()) != recorded.get("dataset"):
        recorded = {name: value for name, value in recorded.items() if name not in TEXT_OPTIONS}
    if "epochs" in chosen:
        # The length is given in epochs now.
        recorded.pop("max_steps", None)
    if facts is not None and facts.get("ranks", 1) != launched().count:
        # The ranks of a machine share its cores.
        recorded.pop("threads", None)
    for name in _PERMISSIONS:
        if chosen.get(name) and recorded and "model" not in chosen:
            raise _model_not_named(name, recorded.get("model"))
    options = Config.options()
    return Config(
        **({name: value for name, value in recorded.items() if not options[name].per_start} | chosen)
    )


def not_taken(config: Config) -> list[str]:
    """What the start of a resumed run should say: options of an earlier start that this one lacks.

    Args:
        config: the options of this start.
    """
    facts = read_facts(Path(str(config.output_dir)))
    recorded = (facts or {}).get("config", {})
    said = []
    if recorded.get("push_to_hub") is True and not config.push_to_hub:
        said.append(
            "the run was started with --push-to-hub, this start is not: nothing is published; "
            "to publish, give --push-to-hub and --hub-model-id again"
        )
    if recorded.get("shard") is True and not config.shard:
        said.append("the run was started with --shard, this start is not: each rank holds the whole model")
    for name in _PERMISSIONS:
        if recorded.get(name) is True and not getattr(config, name):
            said.append(
                f"the run was started with {Config.options()[name].flag}, this start is not; "
                "give it again, with --model, if the model still needs it"
            )
    return said


def check_text_given(config: Config) -> None:
    """Check that a resumed run has a text again if its text was an object from Python, which no run keeps.

    Args:
        config: given and recorded options, without such an object.

    Raises:
        RequestError: it has none; the default would be another text.
    """
    if not config.resume or config.output_dir is None or config.dataset is not None:
        return
    facts = read_facts(Path(config.output_dir)) or {}
    if facts.get("data", {}).get("source") == FROM_PYTHON:
        raise RequestError(
            f"the run was trained on a {FROM_PYTHON}, which was not saved",
            code="no_dataset",
            option="--resume",
            value=config.output_dir,
            fix="pass it again from Python, to trainer(config, dataset=...), or name the same text with "
            "--dataset",
        )


def text_elsewhere(before: Mapping[str, Any], now: Mapping[str, Any], source: str) -> str | None:
    """What to say where a resumed run reads the same text from another place; None: it is the same place.

    Args:
        before: the options of the run, with absolute paths.
        now: the options of this start, likewise.
        source: the name of the text in this start.
    """
    names = [name for name in TEXT_OPTIONS[1:] if before.get(name) != now[name]]
    if (before.get("dataset") or REFERENCE) == (now["dataset"] or REFERENCE) and not names:
        return None
    place = f"the {source}" if source == FROM_PYTHON else source
    options = [f"{Config.options()[name].flag} {now[name]}" for name in names if now[name] is not None]
    chosen = f", with {' '.join(options)}" if options else ""
    return f"the text is the same as that of the run, and is now read from {place}{chosen}"


def _model_not_named(name: str, model: object) -> RequestError:
    """A permission is for a model that the user has named, not for one that a file names."""
    return RequestError(
        "requires --model in a start that resumes, so that you say which model may",
        code="usage",
        option=Config.options()[name].flag,
        fix=f"add --model {model}, if that is the model you mean",
    )
