"""transformers 4.57 and 5: model directories that either one reads as the other one wrote them.

All of it until 5 is the lowest version, but for `restore_backend`: until 5 reads tokenizer.json as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.version import Version

_DESCRIBED = "tokenizer.json"
_SETTINGS = "tokenizer_config.json"

_NEW_CLASSES = {"TokenizersBackend": "PreTrainedTokenizerFast"}
"""Names of tokenizer classes in version 5, and the names that both know."""

_OF_THIS_MACHINE = ("is_local", "local_files_only")
"""How version 5 came by a tokenizer, which it writes down with the rest."""


def restore_backend(tokenizer: Any, directory: Path) -> None:
    """Let a tokenizer do what its tokenizer.json says.

    Version 5 builds the tokenizers of its own families from the vocabulary alone: another normalizer or
    another template for special tokens is lost without a word. As in version 4, the settings beside the file
    decide about the normalizer and the pre-tokenizer where these are of the family's own kind, and add
    tokens.
    """
    path = directory / _DESCRIBED
    if (
        Version(version("transformers")).major < 5
        or not hasattr(tokenizer, "_tokenizer")
        or not path.is_file()
    ):
        return
    import tokenizers

    stored, built = tokenizers.Tokenizer.from_file(str(path)), tokenizer._tokenizer
    for part in ("normalizer", "pre_tokenizer"):
        own = getattr(built, part)
        if type(own) is type(getattr(stored, part)) and type(own).__name__ != "Sequence" and own is not None:
            setattr(stored, part, own)
    known = {token.content for token in stored.get_added_tokens_decoder().values()}
    for _, token in sorted(built.get_added_tokens_decoder().items()):
        if token.content not in known:
            (stored.add_special_tokens if token.special else stored.add_tokens)([token])
    tokenizer._tokenizer = stored


def make_tokenizer_portable(directory: Path) -> None:
    """Rewrite what version 5 has written of a tokenizer so that 4.57 reads it, too."""
    path = directory / _SETTINGS
    if not path.is_file():
        return
    settings = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: value for name, value in settings.items() if name not in _OF_THIS_MACHINE}
    kind = kept.get("tokenizer_class")
    if kind in _NEW_CLASSES:
        kept["tokenizer_class"] = _NEW_CLASSES[kind]
    if isinstance(kept.get("extra_special_tokens"), list):
        # 4.57 expects a mapping under this key, and the list under its old one, which 5 reads, too.
        kept["additional_special_tokens"] = kept.pop("extra_special_tokens")
    if kept != settings:
        path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def portable_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's settings as both versions read them: rotary embeddings in the old way, too."""
    rotary = settings.get("rope_parameters")
    if not isinstance(rotary, Mapping):
        return dict(settings)
    named = {
        "rope_theta": rotary.get("rope_theta"),
        "global_rope_theta": (rotary.get("full_attention") or {}).get("rope_theta"),
        "local_rope_theta": (rotary.get("sliding_attention") or {}).get("rope_theta"),
    }
    return {name: value for name, value in named.items() if value is not None} | dict(settings)


def lost_setting(written: Mapping[str, Any], config: Any) -> str | None:
    """A setting of a config.json that the installed version has no code for; None: there is none.

    Version 5 knows absolute positions only in most families, and takes everything else for them.
    """
    name = "position_embedding_type"
    value = written.get(name) or "absolute"
    if value == "absolute" or hasattr(type(config)(), name):
        return None
    return f"{name} {value}"
