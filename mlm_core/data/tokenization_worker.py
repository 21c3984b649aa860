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
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from mlm_core.compat.transformers import import_without_frameworks
from mlm_core.compat.transformers_files import restore_backend
from mlm_core.data.tokenization import DocumentBorders, TokenIds, Tokenizer, joined_token_ids
from mlm_core.errors import RunError

_FAST = "fast"
_HEADER = 8
"""Bytes in which the number of token ids is sent."""


class TokenizationWorker:
    """A process that tokenises, seen from outside."""

    def __init__(self, tokenizer: Tokenizer, borders: DocumentBorders) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        tokenizer.save_pretrained(self._directory.name)
        if tokenizer.is_fast:
            (Path(self._directory.name) / _FAST).touch()
        described = json.dumps([borders.special, borders.separator])
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


def _serve(directory: str, described: str) -> None:
    import_without_frameworks()
    from transformers import AutoTokenizer

    fast = (Path(directory) / _FAST).exists()
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, use_fast=fast)
    restore_backend(tokenizer, Path(directory))
    special, separator = json.loads(described)
    borders = DocumentBorders(special, separator)
    for line in sys.stdin.buffer:
        ids = joined_token_ids(tokenizer, json.loads(line), borders)
        sys.stdout.buffer.write(len(ids).to_bytes(_HEADER, "little") + ids.astype("<i4").tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
