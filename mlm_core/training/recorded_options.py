"""Which options a resumed run takes from its record, and which it takes from the new command."""

from __future__ import annotations

from pathlib import Path

from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.training.run_record import config_of, read_facts

TEXT_OPTIONS = ("dataset", "dataset_config", "dataset_revision", "split", "text_column")
"""Options about the text. A resumed run compares the blocks instead; its errors name the first of these."""

_EACH_TIME = (
    "device", "output_dir", "resume", "allow_change", "overwrite", "quiet", "verbose", "verify_batches",
)  # fmt: skip
"""Options that a resumed run does not read from its record."""


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
    return Config(**({name: value for name, value in recorded.items() if name not in _EACH_TIME} | chosen))
