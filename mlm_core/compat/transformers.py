"""transformers 4.57 and 5: importing it without a framework, and the names of parameters.

What they write differently is in `transformers_files`.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Any

_FRAMEWORKS = {"torch": "USE_TORCH", "tensorflow": "USE_TF"}
"""The variables by which transformers 4 is told what to import."""

_SHARED_ROTARY = re.compile(r"(?P<model>.*)\.rotary_embeddings\.inv_freq")


def stored_names(constant: str, layers: int | None) -> list[str]:
    """The names under which a checkpoint holds a constant of a model.

    ESM's rotary frequencies belong to each layer in transformers 4 and in the published checkpoints. Version
    5 keeps them once for the whole model; it reads the old names, but 4 does not read the new one. Until 5 is
    the lowest version.

    Args:
        constant: its name in the model.
        layers: how many layers the model has, where that is known.
    """
    shared = _SHARED_ROTARY.fullmatch(constant)
    if shared is None or ".layer." in constant or layers is None:
        return [constant]
    layer = f"{shared['model']}.encoder.layer.{{}}.attention.self.rotary_embeddings.inv_freq"
    return [layer.format(number) for number in range(layers)]


def import_without_frameworks() -> None:
    """Import transformers in a process that needs no framework, without the seconds that those take.

    It looks for them once, at the start. Version 4 reads variables, which stay set; 5 has none and takes what
    it finds, so that there must be nothing to find meanwhile: no other thread may import one at that moment.
    Without effect where transformers is imported already. Until 5 can be told, or does not look.
    """
    if "transformers" in sys.modules:
        return
    os.environ.update(dict.fromkeys(_FRAMEWORKS.values(), "0"), TRANSFORMERS_NO_ADVISORY_WARNINGS="1")
    hidden = [name for name in _FRAMEWORKS if name not in sys.modules]
    # None is Python's own way of saying that a module cannot be found.
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
"""A transformers tokenizer; the library has no types to name here."""
