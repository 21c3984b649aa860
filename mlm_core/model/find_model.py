"""Finding a model's files: in a directory, on the Hub, or the starter; its `config.json` is read here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlm_core.config.config import Config
from mlm_core.config.model import ModelConfig
from mlm_core.errors import RequestError
from mlm_core.model.code import check_pinned, unpinned_code_error
from mlm_core.model.download import download_model
from mlm_core.model.scratch import SCRATCH, SCRATCH_OPTIONS
from mlm_core.system.json_files import BadJsonError, as_object, read_json
from mlm_core.system.os_errors import advice, reason

STARTER = "starter"
"""The name of the small model that comes with this package; see `mlm_core/model/starter/README.md`."""

_STARTER_DIRECTORY = Path(__file__).parent / "starter"

_RECOMMENDED = "mlm_recommended"
"""The key in `config.json` for options that the model recommends, as `{"learning_rate": 1e-3}`."""

_MAY_RECOMMEND = ("learning_rate", "warmup_steps", "epochs", "batch_size", "block_size")
"""The options that a model may recommend; other recommendations are ignored."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of the requested model.

    Attributes:
        name: the user's name for the model.
        directory: the directory of its files; None: not downloaded yet, or there are no files.
        settings: the content of `config.json`; empty where there is no directory.
        on_hub: whether its files must still be fetched from the Hub, or from the Hub's cache.
    """

    name: str
    directory: Path | None
    settings: Mapping[str, Any]
    on_hub: bool = False

    @property
    def made_for_the_text(self) -> bool:
        """Whether there are no files, because architecture and tokenizer are made for the text."""
        return self.directory is None and not self.on_hub

    def fetched(self, config: ModelConfig) -> ModelFiles:
        """The same model with a directory, downloaded if necessary.

        Raises:
            RequestError: there is no such model on the Hub, it is not a model directory, or its code is not
                pinned.
            RunError: the Hub failed.
        """
        if not self.on_hub:
            _check_no_revision(config)
            return self
        check_pinned(config)
        directory = download_model(
            self.name, config.model_revision, code=config.trust_remote_code, pickled=config.allow_pickle
        )
        # A branch may have a name that looks like a commit.
        if config.trust_remote_code and directory.name != config.model_revision:
            raise unpinned_code_error()
        return replace(self, directory=directory, settings=_settings(directory, self.name), on_hub=False)

    def recommended(self, *, from_scratch: bool) -> Mapping[str, Any]:
        """The options that the model recommends; they apply where the user gave none.

        Args:
            from_scratch: whether the model's own weights are not used.

        Raises:
            RequestError: `config.json` recommends an invalid value.
        """
        if self.directory is None:
            return SCRATCH_OPTIONS
        recommended = self.settings.get(_RECOMMENDED, {})
        # The recommendations are for these weights, not for new ones.
        if from_scratch or not isinstance(recommended, dict):
            return {}
        known = {option: value for option, value in recommended.items() if option in _MAY_RECOMMEND}
        try:
            Config(**known)
        except RequestError as error:
            error.message = f"its config.json recommends {error.option} {error.value}: {error.message}"
            error.option, error.value, error.fix = "--model", self.name, f"correct {_RECOMMENDED} in it"
            raise
        return known


def find_model(config: ModelConfig) -> ModelFiles:
    """Find the requested model, without downloading it.

    Raises:
        RequestError: the path does not exist or is not a model directory, or `--model-revision` is given for
            a model that is not on the Hub.
    """
    model = config.model
    if model is not None and is_hub_model(model):
        return ModelFiles(model, None, {}, on_hub=True)
    directory = _STARTER_DIRECTORY if model is None or _is_starter(model) else Path(model)
    if not directory.is_dir():
        raise RequestError(
            "is not a directory" if directory.is_file() else "no such directory",
            code="missing_model",
            option="--model",
            value=model,
            fix="give a model directory or a Hub name",
        )
    if model is None and config.from_scratch:
        return ModelFiles(SCRATCH, None, {})
    name = STARTER if model is None else model
    return ModelFiles(name, directory, _settings(directory, name))


def is_hub_model(model: str) -> bool:
    """Whether a name means a model on the Hub, not a local path or the name of a model made here."""
    return model not in (STARTER, SCRATCH) and not Path(model).exists() and _is_hub_name(model)


def _is_hub_name(model: str) -> bool:
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) is not None and not model.startswith(".")


def _is_starter(model: str) -> bool:
    # A local directory called "starter" takes precedence.
    return model == STARTER and not Path(model).exists()


def _settings(directory: Path, model: str) -> Mapping[str, Any]:
    """The content of `config.json`.

    Raises:
        RequestError: the directory is not a model directory.
    """
    fix = "give a directory written by save_pretrained"
    try:
        settings = as_object(read_json(directory / "config.json"))
        if settings.get("model_type"):
            return settings
        cause = "config.json names no model_type"
    except FileNotFoundError:
        cause = "is not a model directory: it has no config.json"
        if (directory / "run.json").is_file():
            cause, fix = _run_without_model(directory)
    except OSError as error:
        cause, fix = f"config.json cannot be read ({reason(error)})", advice(error) or fix
    except BadJsonError as error:
        cause = f"config.json cannot be used: {error}"
    raise RequestError(cause, code="not_a_model", option="--model", value=model, fix=fix)


def _run_without_model(directory: Path) -> tuple[str, str]:
    """What is wrong with a run that has no config.json, and what to do, which must not cost the run."""
    if (directory / "model.safetensors").is_file():
        return (
            "is a run that has lost its config.json",
            "put it back, for example from the model that the run started with",
        )
    again = f"mlm train --resume --output-dir {shlex.quote(str(directory))}"
    return (
        "is a run that has not finished, so it has no model yet",
        f"if no process trains in it any more, {again} goes on with it",
    )


def _check_no_revision(config: ModelConfig) -> None:
    if config.model_revision is not None:
        raise RequestError(
            "applies only to a model on the Hub",
            code="usage",
            option="--model-revision",
            value=config.model_revision,
            fix="leave it out, or give a model on the Hub with --model",
        )
