"""Secrets in a model's settings: a trained model, which may be published, does not carry them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlm_core.system.json_files import BadJsonError, read_json
from mlm_core.visible import holds_secret, masked

SETTINGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
"""Files whose entries transformers writes again with a trained model, known to it or not."""


def without_secrets(value: Any) -> Any:
    """A JSON value without the entries that hold a token of the Hub; in a list, the token is hidden."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items() if not _is_secret(item)}
    if isinstance(value, list):
        return [masked(item) if _is_secret(item) else without_secrets(item) for item in value]
    return value


def files_with_secrets(directory: Path) -> list[str]:
    """The names of a model's settings files that hold a token of the Hub."""
    found = []
    for name in SETTINGS:
        try:
            settings = read_json(directory / name)
        except (OSError, BadJsonError):
            # Loading the model tells what is wrong.
            continue
        if without_secrets(settings) != settings:
            found.append(name)
    return found


def _is_secret(value: Any) -> bool:
    return isinstance(value, str) and holds_secret(value)
