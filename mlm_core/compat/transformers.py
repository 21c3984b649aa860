"""transformers 4.57 and 5: importing it without a framework, and the names of parameters.

Differences in the files that they write are in `transformers_files`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

from packaging.version import Version

_FRAMEWORKS = {"torch": "USE_TORCH", "tensorflow": "USE_TF"}
"""The environment variables that tell transformers 4 which frameworks to import."""

_SHARED_ROTARY = re.compile(r"(?P<model>.*)\.rotary_embeddings\.inv_freq")


def computes_twice(model: Any) -> bool:
    """Whether a PyTorch model computes its layers again in the backward pass instead of keeping them.

    The attribute has another name from 5.23 on, where the old one warns. Needed until that is the lowest
    version.
    """
    name = "is_activation_checkpointing"
    return bool(getattr(model, name if hasattr(type(model), name) else "is_gradient_checkpointing"))


def stored_names(constant: str, layers: int | None) -> list[str]:
    """The names under which a checkpoint stores a constant of a model.

    In transformers 4 and in published checkpoints, each layer of ESM has its own rotary frequencies. Version
    5 has one copy for the whole model. It reads the old names, but version 4 does not read the new name.
    Needed until 5 is the lowest version.

    Args:
        constant: the constant's name in the model.
        layers: the number of the model's layers; None: unknown.
    """
    shared = _SHARED_ROTARY.fullmatch(constant)
    if shared is None or ".layer." in constant or layers is None:
        return [constant]
    layer = f"{shared['model']}.encoder.layer.{{}}.attention.self.rotary_embeddings.inv_freq"
    return [layer.format(number) for number in range(layers)]


def converts_weights() -> bool:
    """Whether transformers renames, splits and joins arrays of a checkpoint while loading: version 5."""
    return Version(version("transformers")).major >= 5


def import_without_frameworks() -> None:
    """Import transformers in a process that needs no framework, without the seconds that a framework takes.

    transformers looks for frameworks once, when it is imported. Version 4 reads environment variables, which
    stay set. Version 5 has no such variables and uses any framework that it finds, so the frameworks are
    hidden during the import: no other thread may import one at that moment. Has no effect if transformers is
    imported already. Needed until version 5 can be told, or does not look.
    """
    if "transformers" in sys.modules:
        return
    os.environ.update(dict.fromkeys(_FRAMEWORKS.values(), "0"), TRANSFORMERS_NO_ADVISORY_WARNINGS="1")
    hidden = [name for name in _FRAMEWORKS if name not in sys.modules]
    # In sys.modules, None means that a module cannot be found.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import_module("transformers.utils")
    finally:
        for name in hidden:
            del sys.modules[name]


def ignore_accelerate() -> None:
    """Have transformers treat accelerate as not installed; for a process that does not use PyTorch.

    Version 4.57 otherwise cannot import its pipelines there, and the library `evaluate` cannot be imported
    either: both fail inside code for accelerate, which needs PyTorch. Until 5 is the lowest version; it has
    no TensorFlow classes, and no such variable.
    """
    import transformers.utils.import_utils as found

    if hasattr(found, "_accelerate_available"):
        found._accelerate_available = False


Tokenizer = Any
"""A transformers tokenizer; the library exports no type for it."""


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """A context in which transformers logs errors only, and shows no progress bars."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
