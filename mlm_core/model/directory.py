"""A model on disk, as `AutoModelForMaskedLM.from_pretrained` opens it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.compat.transformers_files import make_tokenizer_portable, portable_config
from mlm_core.model.code import code_files
from mlm_core.model.weight_files import WEIGHTS, write_weights
from mlm_core.system.files import write_atomically


def write_model(
    path: Path,
    weights: Mapping[str, Any],
    model_config: Any,
    tokenizer: Any,
    architecture: str,
    code: Path | None = None,
) -> None:
    """Write a model directory that `AutoModelForMaskedLM.from_pretrained` opens.

    Args:
        path: the directory.
        weights: by canonical name.
        model_config: transformers' config.
        tokenizer: None: none is written.
        architecture: the PyTorch class.
        code: a directory whose Python files belong to the model; None: it needs none.
    """
    path.mkdir(parents=True, exist_ok=True)
    settings = model_config.to_dict() | {"architectures": [architecture], "dtype": "float32"}
    # The first is the older name of dtype; the second would publish a directory of this machine.
    for key in ("torch_dtype", "_name_or_path"):
        settings.pop(key, None)
    content = json.dumps(portable_config(settings), indent=2, sort_keys=True) + "\n"
    if tokenizer is not None:
        tokenizer.save_pretrained(str(path))
        make_tokenizer_portable(path)
    for file in code_files(code) if code is not None and code != path else ():
        write_atomically(path / file.name, file.read_bytes())
    write_atomically(path / "config.json", content.encode())
    write_weights(path / WEIGHTS, weights)
