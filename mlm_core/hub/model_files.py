"""What of a model directory is published: the model's own files, and nothing of this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mlm_core.weight_files import OTHER_WEIGHTS, WEIGHTS, weight_files

H5 = "tf_model.h5"
"""TensorFlow's weights as transformers itself writes them."""

CARD = "README.md"

_INDEX = f"{WEIGHTS}.index.json"

_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
"""Names that tokenizers write under; a class may have others, as its `vocab_files_names` says."""

_OF_THIS_MACHINE = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")
"""Settings that say where a file was."""

Files = Mapping[str, Path | bytes]
"""What is published, by its name on the Hub."""


def published_files(
    directory: Path, tokenizer: Any, *, also_h5: bool = False, card: str | None = None
) -> Files:
    """The files of a model by name.

    Args:
        directory: of the model.
        tokenizer: its tokenizer, which knows what its files are called; None: it has none.
        also_h5: `tf_model.h5` is one of them.
        card: where the directory has none.

    Raises:
        RequestError: it has no weights.
    """
    weights = [path.name for path in weight_files(directory)]
    names = {CARD, "config.json", *tokenizer_files(tokenizer), *weights}
    if WEIGHTS not in weights:
        names.add(_INDEX)
    if also_h5:
        names.add(H5)
    if json.loads((directory / "config.json").read_text(encoding="utf-8")).get("auto_map"):
        # The code that its config speaks of.
        names |= {path.name for path in directory.glob("*.py")}
    found = {name: _cleaned(directory / name) for name in sorted(names) if (directory / name).is_file()}
    return found if card is None else {CARD: card.encode()} | found


def tokenizer_files(tokenizer: Any) -> set[str]:
    """What the files of a tokenizer may be called."""
    return {*_TOKENIZER, *getattr(tokenizer, "vocab_files_names", {}).values()}


def outdated(present: Collection[str], files: Files, tokenizer: Any) -> list[str]:
    """What has to go when these files come: other weights, and another tokenizer, which would be loaded."""
    ours = {WEIGHTS, _INDEX, *OTHER_WEIGHTS, *tokenizer_files(tokenizer)}
    return sorted(name for name in present if name not in files and (name in ours or _is_part(name)))


def is_same(content: Path | bytes, blob_id: str, sha256: str | None) -> bool:
    """Whether a file is the one that git, or the large file storage, knows by this name."""
    data = content if isinstance(content, bytes) else content.read_bytes()
    if sha256 is not None:
        return hashlib.sha256(data).hexdigest() == sha256
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == blob_id


def _is_part(name: str) -> bool:
    """Whether it is one of several files of weights, as model-00001-of-00002.safetensors."""
    return Path(name).match("model-*-of-*.safetensors") or Path(name).match("pytorch_model-*-of-*.bin")


def _cleaned(path: Path) -> Path | bytes:
    if path.suffix != ".json" or path.name == "tokenizer.json":
        return path
    settings = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(settings, dict) or not any(name in settings for name in _OF_THIS_MACHINE):
        return path
    kept = {name: value for name, value in settings.items() if name not in _OF_THIS_MACHINE}
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()
