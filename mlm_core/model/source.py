"""The model a run starts from: a directory, a Hub name, the starter, or one made for the text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlm_core.compat.transformers_files import lost_setting, restore_backend
from mlm_core.config import Config, decided
from mlm_core.data.documents import Documents, fingerprint_of
from mlm_core.data.tokenization import Tokenizer
from mlm_core.errors import RequestError, first_line
from mlm_core.hub.download import download_model
from mlm_core.initialization import InitialWeights, ModelOutline, initial_weights
from mlm_core.model_code import check_pinned, may_run, unpinned
from mlm_core.scratch_model import SCRATCH, SCRATCH_OPTIONS, scratch_model
from mlm_core.weight_files import ReadPickled, read_weights, weight_files

STARTER = "starter"
"""The small model that comes with this package, and what it is called; `mlm_core/starter/README.md`."""

_STARTER_DIRECTORY = Path(__file__).parent / "starter"

_RECOMMENDED = "mlm_recommended"
"""What a `config.json` has the options under that its model recommends, as `{"learning_rate": 1e-3}`."""

_MAY_RECOMMEND = ("learning_rate", "warmup_steps", "epochs", "batch_size", "block_size")


@dataclass(frozen=True)
class ModelSource:
    """A model before any framework is involved.

    Attributes:
        name: what the user calls it.
        config: its transformers config.
        tokenizer: its tokenizer.
        weights: the directory of its weights; None: from scratch.
        digest: of the config as it was read, before options change it; None where it is made for the text.
        allow_pickle: its weights may be in `pytorch_model.bin`.
        code: the directory of code that comes with it and may run; None: there is none, or it may not.
    """

    name: str
    config: Any
    tokenizer: Tokenizer
    weights: Path | None
    digest: str | None = None
    allow_pickle: bool = False
    code: Path | None = None

    def starting_weights(
        self, outline: ModelOutline, seed: int, read_pickled: ReadPickled | None = None
    ) -> InitialWeights:
        """Every weight the model starts from; see `initial_weights` and `read_weights`."""
        reader = read_pickled if self.allow_pickle else None
        checkpoint = read_weights(self.weights, reader) if self.weights is not None else None
        return initial_weights(outline, checkpoint, self.config, seed, self.name)


def check_model(model: str | None) -> None:
    """Refuse a model that can be seen to be wrong without loading it.

    Raises:
        RequestError: a path that does not exist or is not a model directory.
    """
    if model is None or _is_starter(model):
        return
    path = Path(model)
    if path.is_dir():
        _check_directory(path, model)
    elif path.is_file() or not _is_hub_name(model):
        found = "is not a directory" if path.is_file() else "no such directory"
        raise RequestError(
            found,
            code="missing_model",
            option="--model",
            value=model,
            fix="give a model directory or a Hub name",
        )


def model_directory(config: Config) -> Path | None:
    """Where the files of the model asked for are, downloaded if need be; None: it is made for the text.

    Raises:
        RequestError: there is no such model.
    """
    if config.model is not None and is_hub_model(config.model):
        check_model(config.model)
        check_pinned(config)
        found = download_model(
            config.model, config.model_revision, code=config.trust_remote_code, pickled=config.allow_pickle
        )
        # A branch may be called like a commit.
        if config.trust_remote_code and found.name != config.model_revision:
            raise unpinned()
        return found
    if config.model_revision is not None:
        raise RequestError(
            "is for a model on the Hub",
            code="usage",
            option="--model-revision",
            value=config.model_revision,
            fix="leave it out, or name such a model with --model",
        )
    if config.model is None and config.from_scratch:
        return None
    if config.model is None or _is_starter(config.model):
        return _STARTER_DIRECTORY
    check_model(config.model)
    return Path(config.model)


def recommended_options(config: Config, directory: Path | None) -> Mapping[str, Any]:
    """Options that the model asked for recommends, used where the user gave none.

    Raises:
        RequestError: its `config.json` recommends what no option can be.
    """
    if directory is None:
        return SCRATCH_OPTIONS
    name = config.model or STARTER
    _check_directory(directory, name)
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    recommended = settings.get(_RECOMMENDED, {})
    # What suits these weights says nothing of others.
    if config.from_scratch or not isinstance(recommended, dict):
        return {}
    known = {option: value for option, value in recommended.items() if option in _MAY_RECOMMEND}
    try:
        Config(**known)
    except RequestError as error:
        error.message = f"its config.json recommends {error.option} {error.value}: {error.message}"
        error.option, error.value, error.fix = "--model", name, f"correct {_RECOMMENDED} in it"
        raise
    return known


def load_model_source(
    config: Config, directory: Path | None, training_documents: Documents | None = None
) -> ModelSource:
    """Config and tokenizer of the model asked for.

    Args:
        config: the options.
        directory: as `model_directory` says.
        training_documents: where there is no directory, what the tokenizer is learned from.

    Raises:
        RequestError: the directory is no model's, or something in it cannot be used.
    """
    if directory is None:
        assert training_documents is not None
        return ModelSource(SCRATCH, *scratch_model(training_documents, decided(config.block_size)), None)
    name = config.model or STARTER
    _check_directory(directory, name)
    if not config.from_scratch:
        _check_weights(directory, name, pickled=config.allow_pickle)
    written = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    trusted = may_run(directory, config, name)
    model_config = _load(directory, name, "config.json", "AutoConfig", trusted)
    if getattr(model_config, "is_encoder_decoder", False):
        raise RequestError(
            f"a {model_config.model_type} model has a decoder",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="choose a model that is an encoder only",
        )
    _check_settings(written, model_config, name)
    tokenizer = _load(directory, name, "tokenizer", "AutoTokenizer", trusted)
    weights = None if config.from_scratch else directory
    digest = fingerprint_of([json.dumps(written, sort_keys=True)])
    code = directory if trusted else None
    return ModelSource(name, model_config, tokenizer, weights, digest, config.allow_pickle, code)


def set_dropout(model_config: Any, rate: float) -> None:
    """Give every dropout rate of a model config the same value; dropping whole layers is another thing."""
    for name in _dropout_rates(model_config):
        setattr(model_config, name, rate)


def has_dropout(model_config: Any) -> bool:
    """Whether anything is dropped at random while training."""
    return any(rate > 0 for rate in _dropout_rates(model_config).values())


def _dropout_rates(model_config: Any) -> dict[str, float]:
    return {
        name: value
        for name, value in model_config.to_dict().items()
        if re.search(r"drop(?!ped)", name)
        and "layer" not in name
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    }


def _is_starter(model: str) -> bool:
    # A directory of that name is what the user sees.
    return model == STARTER and not Path(model).exists()


def is_hub_model(model: str) -> bool:
    """Whether a name is one on the Hub, not a path here nor one of our own."""
    return model not in (STARTER, SCRATCH) and not Path(model).exists() and _is_hub_name(model)


def _is_hub_name(model: str) -> bool:
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) is not None and not model.startswith(".")


def _check_directory(directory: Path, model: str) -> None:
    fix = "give a directory written by save_pretrained"
    try:
        settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        reason = "is not a model directory: it has no config.json"
        if (directory / "run.json").is_file():
            reason, fix = "is a run that did not finish: it has no model", "train it again with --overwrite"
    except (OSError, ValueError) as error:
        reason = f"config.json cannot be read ({error})"
    else:
        if isinstance(settings, dict) and settings.get("model_type"):
            return
        reason = "config.json names no model_type"
    raise RequestError(reason, code="not_a_model", option="--model", value=model, fix=fix)


def _check_settings(written: Mapping[str, Any], model_config: Any, model: str) -> None:
    lost = lost_setting(written, model_config)
    if lost is not None:
        raise RequestError(
            f"its config.json says {lost}, which transformers {version('transformers')} has no code for",
            code="unsupported_model",
            option="--model",
            value=model,
            fix="use transformers 4.57",
        )


def _check_weights(directory: Path, model: str, *, pickled: bool) -> None:
    try:
        weight_files(directory, pickled=pickled)
    except RequestError as error:
        error.value = model
        raise


def _load(directory: Path, model: str, part: str, loader: str, trusted: bool) -> Any:
    import transformers

    try:
        load = getattr(transformers, loader).from_pretrained
        loaded = load(str(directory), local_files_only=True, trust_remote_code=trusted)
        if part == "tokenizer":
            restore_backend(loaded, directory)
            if not set(loaded.get_vocab()) - set(loaded.all_special_tokens):
                # Where there are no files transformers 5 makes a tokenizer of special tokens.
                raise TypeError
        return loaded
    except Exception as error:
        # Anything in the directory can be wrong, and each library reports it in its own way.
        reason = first_line(error)
        if part == "tokenizer" and isinstance(error, TypeError):
            # What transformers says of a path that it did not find.
            reason = "its files are missing"
        fix = "give a directory with config.json and tokenizer files"
        if "trust_remote_code" in str(error):
            reason = "it needs code that comes with it"
            fix = "--trust-remote-code runs it, once you have read it"
        raise RequestError(
            f"its {part} cannot be loaded ({reason})",
            code="not_a_model",
            option="--model",
            value=model,
            fix=fix,
        ) from None
