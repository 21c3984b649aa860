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

from mlm_core.data.tokenization import DocumentBorders, TokenIds, Tokenizer, joined_token_ids
from mlm_core.errors import RunError

_FAST = "fast"


class TokenizationWorker:
    """A process that tokenises, seen from outside."""

    def __init__(self, tokenizer: Tokenizer, borders: DocumentBorders) -> None:
        self._directory = tempfile.TemporaryDirectory()
        tokenizer.save_pretrained(self._directory.name)
        if tokenizer.is_fast:
            (Path(self._directory.name) / _FAST).touch()
        described = json.dumps([borders.special, borders.separator])
        # One thread in each process; and no framework, which none of them needs.
        environment = {"TOKENIZERS_PARALLELISM": "false", "USE_TORCH": "0", "USE_TF": "0"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._directory.name, described],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
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
            size = 4 * int.from_bytes(self._process.stdout.read(8), "little")
            content = self._process.stdout.read(size)
        except OSError:
            size, content = 0, b""
        if self._process.poll() is not None or len(content) != size:
            raise RunError(
                "a process that tokenises has ended",
                code="worker_ended",
                option="--num-proc",
                fix="give fewer",
            )
        return np.frombuffer(content, dtype="<i4")

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
        self._directory.cleanup()


def _serve(directory: str, described: str) -> None:
    from transformers import AutoTokenizer

    fast = (Path(directory) / _FAST).exists()
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, use_fast=fast)
    special, separator = json.loads(described)
    borders = DocumentBorders(special, separator)
    for line in sys.stdin.buffer:
        ids = joined_token_ids(tokenizer, json.loads(line), borders)
        sys.stdout.buffer.write(len(ids).to_bytes(8, "little") + ids.astype("<i4").tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
