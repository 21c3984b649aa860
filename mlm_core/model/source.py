"""A model before a framework is involved: its config, tokenizer and first weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlm_core.compat.transformers import Tokenizer
from mlm_core.compat.transformers_files import lost_setting, restore_backend
from mlm_core.config.config import Config, required
from mlm_core.data.documents import Documents
from mlm_core.data.fingerprint import fingerprint_of
from mlm_core.errors import RequestError, first_line
from mlm_core.model.code import may_run
from mlm_core.model.files import ModelFiles
from mlm_core.model.initialization import InitialWeights, ParameterSpecs, initial_weights
from mlm_core.model.scratch import scratch_model
from mlm_core.model.weight_files import ReadPickled, read_weights, weight_files


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
        self, specs: ParameterSpecs, seed: int, read_pickled: ReadPickled | None = None
    ) -> InitialWeights:
        """Every weight the model starts from; see `initial_weights` and `read_weights`."""
        reader = read_pickled if self.allow_pickle else None
        checkpoint = read_weights(self.weights, reader) if self.weights is not None else None
        return initial_weights(specs, checkpoint, self.config, seed, self.name)


def load_model_source(
    config: Config, files: ModelFiles, training_documents: Documents | None = None
) -> ModelSource:
    """Config and tokenizer of the model asked for.

    Args:
        config: the options.
        files: of the model, fetched.
        training_documents: what the tokenizer is learned from, where the model is made for the text.

    Raises:
        RequestError: something in the directory cannot be used.
    """
    directory, name = files.directory, files.name
    if directory is None:
        assert training_documents is not None
        return ModelSource(name, *scratch_model(training_documents, required(config.block_size)), None)
    if not config.from_scratch:
        _check_weights(directory, name, pickled=config.allow_pickle)
    trusted = config.trust_remote_code and may_run(directory, files.settings, name)
    model_config = _load(directory, name, "config.json", "AutoConfig", trusted)
    if getattr(model_config, "is_encoder_decoder", False):
        raise RequestError(
            f"a {model_config.model_type} model has a decoder",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="choose a model that is an encoder only",
        )
    _check_settings(files.settings, model_config, name)
    tokenizer = _load(directory, name, "tokenizer", "AutoTokenizer", trusted)
    weights = None if config.from_scratch else directory
    digest = fingerprint_of([json.dumps(files.settings, sort_keys=True)])
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
