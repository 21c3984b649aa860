"""A worker process that tokenises, seen from the process that started it.

It runs `tokenization_worker_main`, which documents what the two processes send each other. The worker is a
new process, not a fork: the parent may have loaded a framework, whose threads do not survive a fork.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data import tokenization_worker_main as main
from mlm_core.data.document_borders import DocumentBorders
from mlm_core.data.tokenization import TokenIds, splits_special_tokens
from mlm_core.errors import RunError
from mlm_core.system.child_processes import child_environment, python_command


class TokenizationWorker:
    """A worker process that tokenises; a context manager that ends the process.

    Args:
        tokenizer: the tokenizer to use.
        borders: the tokens around each text.
        backend: the tokenizer's backend, if it gives the same token ids: the worker then does not import
            transformers and starts in a tenth of the time. None: it does not.
    """

    def __init__(self, tokenizer: Tokenizer, borders: DocumentBorders, backend: Any | None) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._write(tokenizer, backend)
        described = json.dumps([borders.special, borders.separator, splits_special_tokens(tokenizer)])
        self._process = subprocess.Popen(
            python_command("-m", main.__name__, self._directory.name, described),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            # Each process uses one thread.
            env=child_environment(TOKENIZERS_PARALLELISM="false"),
        )

    def _write(self, tokenizer: Tokenizer, backend: Any | None) -> None:
        directory = Path(self._directory.name)
        if backend is not None:
            backend.save(str(directory / main.BACKEND))
            return
        tokenizer.save_pretrained(directory)
        if tokenizer.is_fast:
            (directory / main.FAST).touch()

    def __call__(self, texts: list[str]) -> TokenIds:
        """The token ids of all texts, one after the other, `[tokens]` int32; see `joined_token_ids`.

        Raises:
            RunError: the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(texts).encode() + b"\n")
            self._process.stdin.flush()
            header = self._process.stdout.read(main.HEADER)
            size = 4 * int.from_bytes(header, "little")
            content = self._process.stdout.read(size)
        except OSError:
            raise self._ended() from None
        # A process that has ended answers with nothing, which must not count as no tokens.
        if len(header) != main.HEADER or len(content) != size:
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
            fix="give a smaller number, or leave it out",
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
            # Closing flushes the buffer, which fails once the process has ended.
            with suppress(OSError):
                pipe.close()
        self._said.close()
        self._directory.cleanup()
