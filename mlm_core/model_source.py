"""The model a run starts from: a directory, a Hub name, or the small embedded default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlm_core.cache import cache_directory, unwritable_cache
from mlm_core.compat.huggingface_hub import is_network_error
from mlm_core.compat.transformers_files import lost_setting, restore_backend
from mlm_core.config import Config, decided
from mlm_core.data.documents import Documents, fingerprint_of
from mlm_core.data.tokenization import Tokenizer, roberta_tokenizer, train_tokenizer
from mlm_core.errors import RequestError, first_line
from mlm_core.initialization import InitialWeights, ModelOutline, initial_weights
from mlm_core.weight_files import read_weights, weight_files, write_atomically

SCRATCH = "small RoBERTa"

STARTER = "starter"
"""The model that comes with this package: see `mlm_core/starter`."""

_STARTER_DIRECTORY = Path(__file__).parent / "starter"

_SCRATCH_RECIPE: Mapping[str, Any] = {"learning_rate": 1.5e-3, "warmup_steps": 100}

_SCRATCH_SHAPE: Mapping[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
_SCRATCH_VOCABULARY = 5000

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


@dataclass(frozen=True)
class ModelSource:
    """A model before any framework is involved.

    Attributes:
        name: what the user calls it.
        config: its transformers config.
        tokenizer: its tokenizer.
        weights: the directory of its weights; None: from scratch.
        digest: of the config as it was read, before options change it; None for the default model.
    """

    name: str
    config: Any
    tokenizer: Tokenizer
    weights: Path | None
    digest: str | None = None

    def starting_weights(self, outline: ModelOutline, seed: int) -> InitialWeights:
        """Every weight the model starts from; see `initial_weights`."""
        checkpoint = read_weights(self.weights) if self.weights is not None else None
        return initial_weights(outline, checkpoint, self.config, seed, self.name)


def check_model(model: str | None) -> None:
    """Refuse a model that can be seen to be wrong without loading it.

    Raises:
        RequestError: a path that does not exist or is not a model directory.
    """
    if model is None:
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


def recommended_options(config: Config) -> Mapping[str, Any]:
    """Options that the model asked for recommends, used where the user gave none."""
    if config.model is None and config.from_scratch:
        return _SCRATCH_RECIPE
    return {}


def load_model_source(config: Config, training_documents: Documents | None) -> ModelSource:
    """Config and tokenizer of the model asked for; the small default learns its tokenizer from the documents.

    Raises:
        RequestError: the directory or Hub name is wrong, or something in it cannot be used.
    """
    if config.model is None and config.from_scratch:
        assert training_documents is not None
        # Positions that no block has would never be trained.
        return _scratch_model(training_documents, decided(config.block_size))
    check_model(config.model)
    directory = Path(config.model) if Path(config.model).is_dir() else _download(config.model)
    _check_directory(directory, config.model)
    if not config.from_scratch:
        weight_files(directory)
    model_config = _load(directory, config.model, "config.json", "AutoConfig")
    if getattr(model_config, "is_encoder_decoder", False):
        raise RequestError(
            f"a {model_config.model_type} model has a decoder",
            code="unsupported_model",
            option="--model",
            value=config.model,
            fix="choose a model that is an encoder only",
        )
    written = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    _check_settings(written, model_config, config.model)
    tokenizer = _load(directory, config.model, "tokenizer", "AutoTokenizer")
    weights = None if config.from_scratch else directory
    digest = fingerprint_of([json.dumps(written, sort_keys=True)])
    return ModelSource(config.model, model_config, tokenizer, weights, digest)


def set_dropout(model_config: Any, rate: float) -> None:
    """Give every dropout rate of a model config the same value; dropping whole layers is another thing."""
    for name, value in list(model_config.to_dict().items()):
        if (
            re.search(r"drop(?!ped)", name)
            and "layer" not in name
            and isinstance(value, (int, float))
            and not isinstance(value, bool)
        ):
            setattr(model_config, name, rate)


def _scratch_model(documents: Documents, length: int) -> ModelSource:
    from transformers import RobertaConfig

    tokenizer = _learned_tokenizer(documents, length)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=length + tokenizer.pad_token_id + 1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **_SCRATCH_SHAPE,
    )
    return ModelSource(SCRATCH, config, tokenizer, None)


def _learned_tokenizer(documents: Documents, length: int) -> Tokenizer:
    """A tokenizer trained on the documents, kept for the next run on the same ones."""
    decides = [documents.fingerprint, str(_SCRATCH_VOCABULARY), version("tokenizers")]
    kept = cache_directory() / "tokenizers" / f"{fingerprint_of(decides)}.json"
    try:
        return roberta_tokenizer(kept.read_text(encoding="utf-8"), length)
    except Exception:
        # Not there, or damaged in whatever way: it is made again.
        tokenizer = train_tokenizer(documents, _SCRATCH_VOCABULARY, length)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, tokenizer.backend_tokenizer.to_str().encode())
    except OSError as error:
        raise unwritable_cache(error) from None
    return tokenizer


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


def _load(directory: Path, model: str, part: str, loader: str) -> Any:
    import transformers

    try:
        load = getattr(transformers, loader).from_pretrained
        loaded = load(str(directory), local_files_only=True, trust_remote_code=False)
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
        raise RequestError(
            f"its {part} cannot be loaded ({reason})",
            code="not_a_model",
            option="--model",
            value=model,
            fix="give a directory with config.json and tokenizer files",
        ) from None


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=_FILES))
    except RepositoryNotFoundError:
        reason, fix = "no such directory, and no such model on the Hub", "check the name"
    except LocalEntryNotFoundError:
        reason = "no such directory; the Hub cannot be reached and its cache does not have this model"
        fix = "give a model directory, or connect"
    except Exception as error:
        if not (is_network_error(error) or isinstance(error, ValueError)):
            raise
        reason = f"cannot be loaded from the Hub ({first_line(error)})"
        fix = "give a model directory"
    raise RequestError(reason, code="missing_model", option="--model", value=model, fix=fix)
