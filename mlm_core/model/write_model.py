"""Writing a model directory that `AutoModelForMaskedLM.from_pretrained` opens."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlm_core.compat.transformers_files import make_tokenizer_portable, portable_config
from mlm_core.model.code import code_files
from mlm_core.model.settings_secrets import SETTINGS, without_secrets
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
        path: the directory; it is made if it does not exist.
        weights: numpy arrays by canonical name.
        model_config: a transformers config.
        tokenizer: a transformers tokenizer; None: do not write one.
        architecture: the name of the PyTorch class.
        code: the directory of the Python files that the model needs; None: it needs none.

    Raises:
        OSError: a file cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    settings = model_config.to_dict() | {"architectures": [architecture], "dtype": "float32"}
    # The first is the older name of dtype. The second would publish the name of a local directory.
    for key in ("torch_dtype", "_name_or_path"):
        settings.pop(key, None)
    content = json.dumps(without_secrets(portable_config(settings)), indent=2, sort_keys=True) + "\n"
    if tokenizer is not None:
        _write_tokenizer(path, tokenizer)
    for file in code_files(code) if code is not None and code != path else ():
        write_atomically(path / file.name, file.read_bytes())
    write_atomically(path / "config.json", content.encode())
    write_weights(path / WEIGHTS, weights)


def _write_tokenizer(path: Path, tokenizer: Any) -> None:
    """Write a tokenizer's files, each of them whole.

    transformers writes through links that are there already, and a chat template to wherever its name leads.
    A masked language model has no use for one.
    """
    template = getattr(tokenizer, "chat_template", None)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if template is not None:
                tokenizer.chat_template = None
            tokenizer.save_pretrained(scratch)
        finally:
            if template is not None:
                tokenizer.chat_template = template
        make_tokenizer_portable(Path(scratch))
        for file in sorted(Path(scratch).iterdir()):
            if file.is_file():
                write_atomically(path / file.name, _clean(file))


def _clean(file: Path) -> bytes:
    """A tokenizer's file, without secrets where it holds settings; a vocabulary stays as it is."""
    content = file.read_bytes()
    if file.name not in SETTINGS:
        return content
    settings = json.loads(content)
    kept = without_secrets(settings)
    return content if kept == settings else (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()
