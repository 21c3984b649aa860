"""Checks of a model's tokenizer_config.json, before a tokenizer is loaded."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mlm_core.compat.model_errors import shortened
from mlm_core.errors import RequestError
from mlm_core.system.json_files import BadJsonError, read_json

_SETTINGS = "tokenizer_config.json"

_NOT_OPENED = ("special_tokens_map_file",)
"""Settings that libraries write, with a path of the author's machine, and no library reads."""


def check_tokenizer_paths(directory: Path, model: str) -> None:
    """Check that `tokenizer_config.json` names no file outside of the model's directory.

    transformers 4.57 opens the file that `vocab_file` names, wherever it is. Some classes copy it into the
    directory of a trained model: whoever made a model could read and publish any file of this user.

    Args:
        directory: the model's directory.
        model: the user's name for the model.

    Raises:
        RequestError: a setting is the path of a file elsewhere.
    """
    try:
        settings = read_json(directory / _SETTINGS)
    except (OSError, BadJsonError):
        # Loading the tokenizer tells what is wrong.
        return
    for name, value in settings.items() if isinstance(settings, dict) else ():
        if isinstance(value, str) and name not in _NOT_OPENED and _leaves(directory, name, value):
            raise RequestError(
                f"its {_SETTINGS} names a file elsewhere: {shortened(name)} is {shortened(value)}",
                code="path_outside",
                option="--model",
                value=model,
                fix=f"remove {shortened(name)} from {_SETTINGS}, or put the file into the directory",
            )


def _leaves(directory: Path, name: str, value: str) -> bool:
    """Whether a setting is the path of a file that is not in the directory."""
    if not name.endswith("_file") and os.sep not in value:
        return False
    with suppress(OSError, ValueError):
        path = Path(value)
        return path.is_file() and not path.absolute().resolve().is_relative_to(directory.resolve())
    return False
