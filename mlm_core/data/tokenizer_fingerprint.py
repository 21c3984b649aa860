"""A fingerprint of a tokenizer: equal fingerprints mean equal token ids."""

from __future__ import annotations

import inspect
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.fingerprint import fingerprint_of
from mlm_core.data.tokenization import splits_special_tokens


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """A hash of all that determines a tokenizer's output, library versions included; see `Fingerprint`."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    libraries = f"{version('tokenizers')} {version('transformers')}"
    name = f"{type(tokenizer).__name__} {libraries} {splits_special_tokens(tokenizer)}"
    try:
        return fingerprint_of([name, *(_described(backend) if backend is not None else _files(tokenizer))])
    except Exception:
        # A part cannot be written: code of its own, as RoFormer's; the library has no exception for that.
        return fingerprint_of([name, *_known(tokenizer)])


def _described(backend: Any) -> list[str]:
    # The description also records truncation and padding of the last call; `token_ids` uses neither.
    described = json.loads(backend.to_str()) | {"truncation": None, "padding": None}
    return [json.dumps(described, sort_keys=True)]


def _files(tokenizer: Tokenizer) -> list[str]:
    """A slow tokenizer has no single description; its files together are complete, and its code."""
    with tempfile.TemporaryDirectory() as directory:
        tokenizer.save_pretrained(directory)
        files = sorted(path for path in Path(directory).rglob("*") if path.is_file())
        return [_code(tokenizer), *(f"{path.name} {path.read_bytes().hex()}" for path in files)]


def _known(tokenizer: Tokenizer) -> list[str]:
    """What can be known of any tokenizer: its vocabulary, special tokens, settings and code."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items()))
    settings = json.dumps(tokenizer.init_kwargs, sort_keys=True, default=str)
    return [vocabulary, settings, str(sorted(tokenizer.all_special_ids)), _code(tokenizer)]


def _code(tokenizer: Tokenizer) -> str:
    """The code of a class that came with a model; "" for one of a library, whose version is known."""
    if type(tokenizer).__module__.startswith("transformers."):
        return ""
    try:
        return inspect.getsource(type(tokenizer))
    except (OSError, TypeError):
        return ""
