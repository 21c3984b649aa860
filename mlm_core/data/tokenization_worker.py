"""Tokenising in another process: `python -m mlm_core.data.tokenization_worker DIRECTORY BORDERS`.

A batch of texts comes in as one line of JSON; its token ids go out as their number (8 bytes,
little-endian) and little-endian int32. A process of its own, not a fork: the parent may hold a
framework and its threads, which do not survive one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mlm_core.compat.transformers import Tokenizer, import_without_frameworks
from mlm_core.compat.transformers_files import restore_backend
from mlm_core.data.tokenization import (
    DocumentBorders,
    TokenIds,
    backend_token_ids,
    joined,
    splits_special_tokens,
    token_ids,
)
from mlm_core.errors import RunError

_FAST, _BACKEND = "fast", "backend.json"
_HEADER = 8
"""Bytes in which the number of token ids is sent."""


class TokenizationWorker:
    """A process that tokenises, seen from outside.

    Args:
        tokenizer: what with.
        borders: what stands around each text.
        backend: what does the same without transformers, so that the process is at work in a tenth of the
            time; None: there is nothing.
    """

    def __init__(self, tokenizer: Tokenizer, borders: DocumentBorders, backend: Any | None) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._write(tokenizer, backend)
        described = json.dumps([borders.special, borders.separator, splits_special_tokens(tokenizer)])
        # One thread in each process.
        environment = {"TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            # Safe path: a module of the user's in this directory must not take the place of the library's.
            [sys.executable, "-P", "-m", __name__, self._directory.name, described],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | environment,
        )

    def _write(self, tokenizer: Tokenizer, backend: Any | None) -> None:
        directory = Path(self._directory.name)
        if backend is not None:
            backend.save(str(directory / _BACKEND))
            return
        tokenizer.save_pretrained(directory)
        if tokenizer.is_fast:
            (directory / _FAST).touch()

    def __call__(self, texts: list[str]) -> TokenIds:
        """See `joined_token_ids`.

        Raises:
            RunError: the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(texts).encode() + b"\n")
            self._process.stdin.flush()
            header = self._process.stdout.read(_HEADER)
            size = 4 * int.from_bytes(header, "little")
            content = self._process.stdout.read(size)
        except OSError:
            raise self._ended() from None
        # A process that has ended answers with nothing, which must not pass for no tokens.
        if len(header) != _HEADER or len(content) != size:
            raise self._ended()
        return np.frombuffer(content, dtype="<i4")

    def _ended(self) -> RunError:
        self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {self._process.returncode}"
        return RunError(
            f"a process that tokenises has ended ({reason})",
            code="worker_ended",
            option="--num-proc",
            fix="give fewer, or leave it out",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            # Closing writes what was not taken; nobody is left to take it.
            with suppress(OSError):
                pipe.close()
        self._said.close()
        self._directory.cleanup()


_Encoder = Callable[[list[str], DocumentBorders], list[list[int]]]


def _encoder(directory: Path, split_special: bool) -> _Encoder:
    # Neither kind of file says whether special tokens are split.
    if (directory / _BACKEND).exists():
        import tokenizers

        backend = tokenizers.Tokenizer.from_file(str(directory / _BACKEND))
        backend.encode_special_tokens = split_special
        return partial(backend_token_ids, backend)
    import_without_frameworks()
    from transformers import AutoTokenizer

    fast = (directory / _FAST).exists()
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, use_fast=fast)
    restore_backend(tokenizer, directory)
    tokenizer.split_special_tokens = split_special
    return partial(token_ids, tokenizer)


def _serve(directory: str, described: str) -> None:
    special, separator, split_special = json.loads(described)
    encode = _encoder(Path(directory), split_special)
    borders = DocumentBorders(special, separator)
    for line in sys.stdin.buffer:
        ids = joined(encode(json.loads(line), borders))
        sys.stdout.buffer.write(len(ids).to_bytes(_HEADER, "little") + ids.astype("<i4").tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
