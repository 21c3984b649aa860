"""Tokenising many documents in this process or in several; the documents keep their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.document_borders import DocumentBorders
from mlm_core.data.documents import BATCH, Documents
from mlm_core.data.tokenization import TokenIds, joined_token_ids, sufficient_backend
from mlm_core.data.tokenization_worker import TokenizationWorker
from mlm_core.system.machine import cores

_PROBE = 100
"""Documents with which the backend is compared to the whole tokenizer."""


def tokenize_documents(
    tokenizer: Tokenizer, documents: Documents, borders: DocumentBorders, processes: int | None
) -> Iterator[TokenIds]:
    """The token ids of all documents in order; no document is truncated.

    Args:
        tokenizer: a transformers tokenizer.
        documents: the texts.
        borders: the tokens around each text.
        processes: how many processes share the work. None: this one for a fast tokenizer, which uses every
            core by itself; one for each core for a slow tokenizer.

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
    return _in_workers(tokenizer, documents, borders, processes)


def _in_workers(
    tokenizer: Tokenizer, documents: Documents, borders: DocumentBorders, processes: int
) -> Iterator[TokenIds]:
    idle: SimpleQueue[TokenizationWorker] = SimpleQueue()

    def tokenize(texts: list[str]) -> TokenIds:
        worker = idle.get()
        try:
            return worker(texts)
        finally:
            idle.put(worker)

    backend = sufficient_backend(tokenizer, list(documents[:_PROBE]), borders)
    with ExitStack() as stack:
        # First in, last out: on an early exit, the workers are killed before the threads are waited for.
        threads = stack.enter_context(ThreadPoolExecutor(processes))
        for _ in range(processes):
            idle.put(stack.enter_context(TokenizationWorker(tokenizer, borders, backend)))
        pending: deque[Future[TokenIds]] = deque()
        for texts in documents.batches():
            pending.append(threads.submit(tokenize, texts))
            # Enough batches ahead to keep every worker busy, few enough to keep memory small.
            if len(pending) > 2 * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
