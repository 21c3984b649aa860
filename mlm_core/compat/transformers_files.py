"""transformers 4.57 and 5: model directories that each version reads as the other version wrote them.

Needed until 5 is the lowest version; `restore_backend` until version 5 reads tokenizer.json as it is written.
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
"""Names of tokenizer classes in version 5, and the names that both versions know."""

_OF_THIS_MACHINE = ("is_local", "local_files_only")
"""Settings by which version 5 records how it loaded a tokenizer; they mean nothing on another machine."""


def restore_backend(tokenizer: Any, directory: Path) -> None:
    """Make a tokenizer follow its tokenizer.json.

    Version 5 builds the tokenizers of known architectures from the vocabulary alone: another normalizer or
    another template for special tokens is silently lost. As in version 4, the settings in
    `tokenizer_config.json` determine the normalizer and the pre-tokenizer where these have the architecture's
    own type, and they add tokens.

    Args:
        tokenizer: a transformers tokenizer; it is changed in place.
        directory: the directory that it was loaded from.
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
    """Rewrite `tokenizer_config.json` as version 5 wrote it, so that 4.57 reads it, too."""
    path = directory / _SETTINGS
    if not path.is_file():
        return
    settings = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: value for name, value in settings.items() if name not in _OF_THIS_MACHINE}
    kind = kept.get("tokenizer_class")
    if kind in _NEW_CLASSES:
        kept["tokenizer_class"] = _NEW_CLASSES[kind]
    if isinstance(kept.get("extra_special_tokens"), list):
        # 4.57 expects a mapping under this key, and the list under the old key, which version 5 reads, too.
        kept["additional_special_tokens"] = kept.pop("extra_special_tokens")
    if kept != settings:
        path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def portable_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's settings in a form that both versions read: rotary embeddings also under the old keys."""
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
    """A setting of a config.json that the installed version does not support; None: there is none.

    In most architectures, version 5 supports only absolute positions, and treats all other kinds as absolute.

    Args:
        written: the content of config.json.
        config: the transformers config that was loaded from it.
    """
    name = "position_embedding_type"
    value = written.get(name) or "absolute"
    if value == "absolute" or hasattr(type(config)(), name):
        return None
    return f"{name} {value}"
