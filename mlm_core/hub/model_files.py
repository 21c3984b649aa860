"""The files of a model directory that are published: the model's own, without facts of this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlm_core.errors import RequestError
from mlm_core.model.code import code_files
from mlm_core.model.weight_files import OTHER_WEIGHTS, WEIGHTS, check_weights, weight_files
from mlm_core.system.json_files import read_json

H5 = "tf_model.h5"
"""The name of TensorFlow's weights in transformers' own format."""

CARD = "README.md"

CURVES = "loss.svg"
"""A picture of the loss, which the card shows."""

PLACEHOLDER = "DIRECTORY-OR-REPOSITORY"
"""What a card writes for the place of its model until it is published."""

_INDEX = f"{WEIGHTS}.index.json"

_SETTINGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
"""Files in which a library may have recorded local paths."""

_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
"""Names of tokenizer files; a class may add others in its `vocab_files_names`."""

_OF_THIS_MACHINE = (
    "_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file", "cache_dir", "vocab_file",
    "merges_file",
)  # fmt: skip
"""Settings that hold local paths."""

Files = Mapping[str, Path | bytes]
"""Published files by their name on the Hub."""

Identities = Mapping[str, tuple[str, str]]
"""For each file name the hash in git and the hash in the large file storage."""


def published_files(directory: Path, tokenizer: Any, repository: str, *, also_h5: bool = False) -> Files:
    """Collect the files of a model that are published, by name.

    Args:
        directory: of the model.
        tokenizer: of the model; it knows the names of its files. None: no tokenizer is published.
        repository: inserted into the card.
        also_h5: include `tf_model.h5`.

    Raises:
        RequestError: the directory has no weights, a file is damaged, or is a link that leaves the directory.
    """
    # The library expands ~ in a path to a home directory.
    directory = directory.absolute()
    weights = weight_files(directory)
    check_weights(weights)
    names = {CARD, "config.json", *tokenizer_files(tokenizer), *(path.name for path in weights)}
    if WEIGHTS not in names:
        names.add(_INDEX)
    if also_h5:
        names.add(H5)
    try:
        if _shows_curves(directory / CARD):
            names.add(CURVES)
        names |= {path.name for path in code_files(directory)}
        present = [name for name in sorted(names) if (directory / name).is_file()]
        _check_inside(directory, present)
        return {name: _prepared(directory / name, repository) for name in present}
    except (OSError, ValueError) as error:
        raise RequestError(
            f"a file in the directory is damaged ({error})",
            code="not_a_model",
            option="RUN",
            value=str(directory),
        ) from None


_PRIVATE = (
    "run.json", "metrics.jsonl", "report.html", "hub.json", "state.json", "optimizer.safetensors"
)  # fmt: skip
"""Files of a run that are never published: the first names directories of this machine, the report quotes the
held-out text."""


def _check_inside(directory: Path, names: Sequence[str]) -> None:
    """Check that no link leads out of the directory: whoever made it could publish any file of this user."""
    for name in names:
        target = (directory / name).resolve()
        inside = target.is_relative_to(directory.resolve())
        if not inside or (target.name in _PRIVATE and target.name != name):
            raise RequestError(
                f"{name} is a link to a file {'of the run' if inside else 'outside of the directory'}, which "
                "would be published",
                code="link_outside",
                option="RUN",
                value=str(directory),
                fix="put a copy of the file in its place, if it may be published",
            )


def _shows_curves(card: Path) -> bool:
    """Whether a card shows the picture beside it; any other picture of that name is no part of the model."""
    return card.is_file() and f"]({CURVES})" in card.read_text(encoding="utf-8")


def tokenizer_files(tokenizer: Any) -> set[str]:
    """Possible names of a tokenizer's files; empty without a tokenizer."""
    if tokenizer is None:
        return set()
    return {*_TOKENIZER, *getattr(tokenizer, "vocab_files_names", {}).values()}


def has_tokenizer(directory: Path) -> bool:
    """Whether a model directory holds tokenizer files."""
    return any((directory / name).is_file() for name in _TOKENIZER)


def outdated(present: Collection[str], files: Files, tokenizer: Any) -> list[str]:
    """Files to delete when `files` are published: other weights and tokenizers, which could be loaded."""
    ours = {WEIGHTS, _INDEX, *OTHER_WEIGHTS, *tokenizer_files(tokenizer)}
    return sorted(name for name in present if name not in files and (name in ours or _is_part(name)))


def identities(files: Files) -> Identities:
    """The hashes of files, by name."""
    return {name: _identity(content) for name, content in files.items()}


def _identity(content: Path | bytes) -> tuple[str, str]:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    blob, sha256 = hashlib.sha1(b"blob %d\0" % size), hashlib.sha256()
    if isinstance(content, bytes):
        blob.update(content)
        sha256.update(content)
    else:
        with content.open("rb") as file:
            while part := file.read(2**20):
                blob.update(part)
                sha256.update(part)
    return blob.hexdigest(), sha256.hexdigest()


def _is_part(name: str) -> bool:
    """Whether a file is a shard of the weights, for example model-00001-of-00002.safetensors."""
    return Path(name).match("model-*-of-*.safetensors") or Path(name).match("pytorch_model-*-of-*.bin")


def _prepared(path: Path, repository: str) -> Path | bytes:
    if path.name == CARD:
        text = path.read_text(encoding="utf-8")
        return text.replace(PLACEHOLDER, repository).encode() if PLACEHOLDER in text else path
    if path.name not in _SETTINGS:
        return path
    settings = read_json(path)
    if not isinstance(settings, dict):
        return path
    kept = {name: value for name, value in settings.items() if not _is_of_this_machine(name, value)}
    if kept == settings:
        return path
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


def _is_of_this_machine(name: str, value: Any) -> bool:
    return name in _OF_THIS_MACHINE or (
        isinstance(value, str) and len(value) > 1 and Path(value).is_absolute()
    )
