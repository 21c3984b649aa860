"""A fingerprint of a tokenizer: equal fingerprints mean equal token ids."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.fingerprint import fingerprint_of
from mlm_core.data.tokenization import splits_special_tokens


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """A hash of all that determines a tokenizer's output, library versions included; see `Fingerprint`."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    libraries = f"{version('tokenizers')} {version('transformers')}"
    name = f"{type(tokenizer).__name__} {libraries} {splits_special_tokens(tokenizer)}"
    if backend is not None:
        # The description also records truncation and padding of the last call; `token_ids` uses neither.
        described = json.loads(backend.to_str()) | {"truncation": None, "padding": None}
        return fingerprint_of([name, json.dumps(described, sort_keys=True)])
    # A slow tokenizer has no single description; its files together are complete.
    with tempfile.TemporaryDirectory() as directory:
        tokenizer.save_pretrained(directory)
        files = sorted(Path(directory).iterdir())
        return fingerprint_of([name, *(f"{path.name} {path.read_bytes().hex()}" for path in files)])
