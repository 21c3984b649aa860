"""Checks of a model's directory, before a tokenizer is loaded: whatever it names lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlm_core.compat.model_errors import shortened
from mlm_core.errors import RequestError
from mlm_core.system.json_files import BadJsonError, read_json

_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
"""Files whose entries transformers passes to the tokenizer's class."""

_NOT_OPENED = ("special_tokens_map_file",)
"""Settings that libraries write, with a path of the author's machine, and no library reads."""

_WEIGHTS = (".safetensors", ".bin", ".h5", ".index.json")
"""Ends of names of files that may lie elsewhere: nothing of them is copied."""


def check_tokenizer_paths(directory: Path, model: str) -> None:
    """Check that a model's directory leads to no file outside of it, by a setting or by a link.

    transformers opens the file that `vocab_file` names, wherever it is. What a tokenizer has read is copied
    into the directory of a trained model: whoever made a model could read and publish any file of this user.

    Args:
        directory: the model's directory.
        model: the user's name for the model.

    Raises:
        RequestError: a setting is the path of a file elsewhere; or a file, other than one of weights, is a
            link to one.
    """
    _check_links(directory, model)
    for file in _SETTINGS:
        try:
            settings = read_json(directory / file)
        except (OSError, BadJsonError):
            # Loading the tokenizer tells what is wrong.
            continue
        for name, value in settings.items() if isinstance(settings, dict) else ():
            wrong = next((text for text in _texts(value) if _leaves(directory, name, text)), None)
            if wrong is not None and name not in _NOT_OPENED:
                raise RequestError(
                    f"its {file} names a file elsewhere: {shortened(name)} is {shortened(wrong)}",
                    code="path_outside",
                    option="--model",
                    value=model,
                    fix=f"remove {shortened(name)} from {file}, or put the file into the directory",
                )


def _check_links(directory: Path, model: str) -> None:
    places = [directory.resolve()]
    if directory.parent.name == "snapshots":
        # The cache of the Hub: a revision is a directory of links.
        places.append((directory.parent.parent / "blobs").resolve())
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in sorted(directory.iterdir()):
            target = entry.resolve()
            inside = any(target.is_relative_to(place) for place in places)
            if entry.is_symlink() and not inside and not entry.name.endswith(_WEIGHTS):
                raise RequestError(
                    f"{shortened(entry.name)} is a link to a file outside of the directory; what is in it "
                    "could become a part of the trained model",
                    code="link_outside",
                    option="--model",
                    value=model,
                    fix="put a copy of the file in its place",
                )


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, at any depth; reading it has bounded the depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _leaves(directory: Path, name: str, value: str) -> bool:
    """Whether a setting is the path of a file that is not in the directory."""
    if not name.endswith("_file") and os.sep not in value:
        return False
    with suppress(OSError, ValueError):
        path = Path(value)
        return path.is_file() and not path.absolute().resolve().is_relative_to(directory.resolve())
    return False
