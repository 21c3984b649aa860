"""Tokenising many documents in this process or in several; the documents keep their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

import numpy as np

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.document_borders import DocumentBorders
from mlm_core.data.documents import BATCH, Documents
from mlm_core.data.tokenization import TokenIds, joined_token_ids, sufficient_backend
from mlm_core.data.tokenization_worker import TokenizationWorker
from mlm_core.errors import RunError, first_line
from mlm_core.system.machine import cores

_PROBE = 100
"""Documents with which the backend is compared to the whole tokenizer."""


def tokenize_documents(
    tokenizer: Tokenizer,
    documents: Documents,
    borders: DocumentBorders,
    processes: int | None,
    say: Callable[[str], None],
) -> Iterator[TokenIds]:
    """The token ids of all documents in order; no document is truncated.

    Args:
        tokenizer: a transformers tokenizer.
        documents: the texts.
        borders: the tokens around each text.
        processes: how many processes share the work. None: this one for a fast tokenizer, which uses every
            core by itself; one for each core for a slow tokenizer.
        say: is told if the tokenizer does not work in other processes, so that this one does all the work.

    Yields:
        The token ids of up to `BATCH` documents, `[tokens]` int32.

    Raises:
        RunError: a worker process has ended.
    """
    if processes is None:
        processes = 1 if tokenizer.is_fast else cores()
    # More processes than batches would have nothing to do.
    processes = min(processes, -(-len(documents) // BATCH))
    if processes <= 1:
        return (joined_token_ids(tokenizer, texts, borders) for texts in documents.batches())
    return _in_workers(tokenizer, documents, borders, processes, say)


def _in_workers(
    tokenizer: Tokenizer,
    documents: Documents,
    borders: DocumentBorders,
    processes: int,
    say: Callable[[str], None],
) -> Iterator[TokenIds]:
    idle: SimpleQueue[TokenizationWorker] = SimpleQueue()

    def tokenize(texts: list[str]) -> TokenIds:
        worker = idle.get()
        try:
            return worker(texts)
        finally:
            idle.put(worker)

    probe = list(documents[:_PROBE])
    backend = sufficient_backend(tokenizer, probe, borders)
    with ExitStack() as stack:
        # First in, last out: on an early exit, the workers are killed before the threads are waited for.
        threads = stack.enter_context(ThreadPoolExecutor(processes))
        try:
            workers = [
                stack.enter_context(TokenizationWorker(tokenizer, borders, backend)) for _ in range(processes)
            ]
            problem = _problem(workers[0], tokenizer, probe, borders)
        except Exception as error:
            # Writing a tokenizer of anyone's may fail in any way.
            workers, problem = [], first_line(error)
        if problem is not None:
            stack.close()
            say(f"the tokenizer does not work in other processes ({problem}): this process does all the work")
            yield from (joined_token_ids(tokenizer, texts, borders) for texts in documents.batches())
            return
        for worker in workers:
            idle.put(worker)
        pending: deque[Future[TokenIds]] = deque()
        for texts in documents.batches():
            pending.append(threads.submit(tokenize, texts))
            # Enough batches ahead to keep every worker busy, few enough to keep memory small.
            if len(pending) > 2 * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _problem(
    worker: TokenizationWorker, tokenizer: Tokenizer, texts: list[str], borders: DocumentBorders
) -> str | None:
    """Why a worker is not used; None: it gives the token ids that this process gives."""
    try:
        same = np.array_equal(worker(texts), joined_token_ids(tokenizer, texts, borders))
    except RunError as error:
        return error.message
    return None if same else "it gives other token ids there"
