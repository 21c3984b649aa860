"""The program of a worker process that tokenises.

    python -m mlm_core.data.tokenization_worker_main DIRECTORY BORDERS

DIRECTORY holds the tokenizer. BORDERS is a JSON list: whether special tokens are added, the separator's id or
null, and whether the names of special tokens are split like other text. Each line of the standard input is a
batch of texts, a JSON list. The answer is the number of token ids (8 bytes, little-endian), then the token
ids (little-endian int32).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mlm_core.compat.transformers import import_without_frameworks
from mlm_core.compat.transformers_files import restore_backend
from mlm_core.data.document_borders import DocumentBorders
from mlm_core.data.tokenization import backend_token_ids, joined_in_parts, token_ids
from mlm_core.system.child_processes import end_with_parent

BACKEND = "backend.json"
"""The file of a tokenizer's backend, if the backend suffices."""

FAST = "fast"
"""The file whose presence says that the tokenizer in the directory is a fast one."""

HEADER = 8
"""Bytes of the number of token ids."""

_Encoder = Callable[[list[str], DocumentBorders], list[list[int]]]


def _encoder(directory: Path, split_special: bool) -> _Encoder:
    # Neither kind of file records whether special tokens are split.
    if (directory / BACKEND).exists():
        import tokenizers

        backend = tokenizers.Tokenizer.from_file(str(directory / BACKEND))
        backend.encode_special_tokens = split_special
        return partial(backend_token_ids, backend)
    import_without_frameworks()
    from transformers import AutoTokenizer

    fast = (directory / FAST).exists()
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, use_fast=fast)
    restore_backend(tokenizer, directory)
    tokenizer.split_special_tokens = split_special
    return partial(token_ids, tokenizer)


def _serve(directory: str, described: str) -> None:
    questions, answers = _private_streams()
    end_with_parent()
    special, separator, split_special = json.loads(described)
    encode = _encoder(Path(directory), split_special)
    borders = DocumentBorders(special, separator)
    for line in questions:
        ids = joined_in_parts(lambda texts: encode(texts, borders), json.loads(line))
        answers.write(len(ids).to_bytes(HEADER, "little") + ids.astype("<i4").tobytes())
        answers.flush()


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes to the other process; whatever else prints in this process goes to stderr."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return questions, answers


if __name__ == "__main__":
    _serve(*sys.argv[1:])
