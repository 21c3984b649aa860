"""Loading a model without a framework: its config, tokenizer and first weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mlm_core.compat.model_errors import Phase, explained, shortened
from mlm_core.compat.transformers import Tokenizer, quiet_transformers
from mlm_core.compat.transformers_files import lost_setting, restore_backend
from mlm_core.config.config import Config, required
from mlm_core.data.documents import Documents
from mlm_core.data.fingerprint import fingerprint_of
from mlm_core.errors import RequestError
from mlm_core.model.code import may_run
from mlm_core.model.config_checks import check_config, check_memory, check_settings
from mlm_core.model.find_model import ModelFiles
from mlm_core.model.initialization import InitialWeights, ParameterSpecs, Weights, initial_weights
from mlm_core.model.scratch import scratch_model
from mlm_core.model.tokenizer_checks import check_tokenizer_paths
from mlm_core.model.weight_files import ReadPickled, read_weights, weight_files


@dataclass(frozen=True)
class ModelSource:
    """A model without a framework.

    Attributes:
        name: the user's name for the model.
        config: its transformers config.
        tokenizer: its transformers tokenizer.
        weights: the directory of its weights; None: train from scratch.
        digest: of `config.json` as it was read, before options change it; None: the model is made for the
            text.
        allow_pickle: whether its weights may be read from `pytorch_model.bin`.
        code: the directory of the Python code that comes with the model and may run; None: no code may run.
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
        """The weights that the model starts from.

        Args:
            specs: the parameters of the engine's model.
            seed: the run's seed.
            read_pickled: the engine's reader of `pytorch_model.bin`, if it has one.

        Raises:
            RequestError: see `initial_weights` and `read_weights`.
        """
        reader = read_pickled if self.allow_pickle else None
        checkpoint = read_weights(self.weights, reader) if self.weights is not None else None
        initial = initial_weights(specs, checkpoint, self.config, seed, self.name)
        if checkpoint is not None:
            _check_finite(initial.weights, specs, self.name)
        return initial


def load_model_source(
    config: Config, files: ModelFiles, training_documents: Documents | None = None
) -> ModelSource:
    """Load a model's config and tokenizer.

    Args:
        config: the options; `block_size` must be resolved if the model is made for the text.
        files: the model's files, fetched.
        training_documents: the text that a tokenizer is trained on; needed if the model is made for the text.

    Raises:
        RequestError: the config, the tokenizer or the weights cannot be used.
        RunError: the cache cannot be written.
    """
    directory, name = files.directory, files.name
    if directory is None:
        assert training_documents is not None
        return ModelSource(name, *scratch_model(training_documents, required(config.block_size)), None)
    if not config.from_scratch:
        _check_weights(directory, name, pickled=config.allow_pickle)
    check_settings(files.settings, name)
    trusted = config.trust_remote_code and may_run(directory, files.settings, name)
    model_config = _load_config(directory, name, trusted)
    if getattr(model_config, "is_encoder_decoder", False):
        raise RequestError(
            f"a {model_config.model_type} model has a decoder",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="choose an encoder-only model",
        )
    _check_settings(files.settings, model_config, name)
    check_config(model_config, name)
    check_memory(model_config, name)
    check_tokenizer_paths(directory, name)
    tokenizer = _load_tokenizer(directory, name, trusted)
    weights = None if config.from_scratch else directory
    digest = fingerprint_of([json.dumps(files.settings, sort_keys=True)])
    code = directory if trusted else None
    return ModelSource(name, model_config, tokenizer, weights, digest, config.allow_pickle, code)


def _check_settings(written: Mapping[str, Any], model_config: Any, model: str) -> None:
    lost = lost_setting(written, model_config)
    if lost is not None:
        raise RequestError(
            f"its config.json asks for {lost}, which transformers {version('transformers')} does not support",
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


def _load_config(directory: Path, model: str, trusted: bool) -> Any:
    import transformers

    with explained(Phase.CONFIG, model), _code_explained(Phase.CONFIG, model):
        return transformers.AutoConfig.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=trusted
        )


def _load_tokenizer(directory: Path, model: str, trusted: bool) -> Tokenizer:
    import transformers

    with explained(Phase.TOKENIZER, model), _code_explained(Phase.TOKENIZER, model):
        try:
            tokenizer: Tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(directory), local_files_only=True, trust_remote_code=trusted
            )
        except Exception as error:
            found = _by_its_file(directory, error)
            if found is None and isinstance(error, TypeError):
                # transformers raises a TypeError for a path that it did not find.
                raise ValueError("its files are missing") from error
            if found is None:
                raise
            tokenizer = found
        restore_backend(tokenizer, directory)
        if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
            # Without any files, transformers 5 makes a tokenizer of special tokens only.
            raise ValueError("its files are missing")
        # Names of special tokens may be wrong in a way that shows only when their ids are asked for.
        tokenizer.all_special_ids  # noqa: B018
        return tokenizer


def _by_its_file(directory: Path, error: Exception) -> Tokenizer | None:
    """The tokenizer in `tokenizer.json`, which is complete, where its class expects a file of another kind.

    transformers 4.57 and 5 each open some of these; None: there is no such file, or it is damaged, too.
    """
    import tokenizers
    import transformers

    path = directory / "tokenizer.json"
    # A package that is missing splits words in a way that this file cannot hold (RoFormer's, with rjieba).
    if "trust_remote_code" in str(error) or isinstance(error, ImportError) or not path.is_file():
        return None
    with suppress(Exception), quiet_transformers():
        # Raises for a file that is no tokenizer; the class then has told more.
        tokenizers.Tokenizer.from_file(str(path))
        found: Tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(
            str(directory), local_files_only=True
        )
        return found
    return None


@contextmanager
def _code_explained(phase: Phase, model: str) -> Iterator[None]:
    """While inside, say what to do where a model needs code of its own that may not run."""
    try:
        yield
    except Exception as error:
        if "trust_remote_code" not in str(error):
            raise
        raised = phase.error(model, ValueError("it needs the code that comes with the model"))
        raised.fix = "read the code, then run it with --trust-remote-code"
        raise raised from error


def _check_finite(weights: Weights, specs: ParameterSpecs, model: str) -> None:
    """Check that no parameter holds NaN or infinity: every prediction would be NaN."""
    wrong = [name for name in specs.shapes if not np.isfinite(weights[name]).all()]
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise RequestError(
            f"its weights hold NaN or infinity, in {shortened(wrong[0])}{more}",
            code="not_finite",
            option="--model",
            value=model,
            fix="choose an earlier checkpoint of it, or copy the files again",
        )
