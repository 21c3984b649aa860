"""Tokenising many documents, in this process or in several, in the documents' order either way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.documents import BATCH, Documents
from mlm_core.data.tokenization import DocumentBorders, TokenIds, joined_token_ids, sufficient_backend
from mlm_core.data.tokenization_worker import TokenizationWorker
from mlm_core.system.machine import cores

_PROBE = 100
"""Documents that show what a worker needs."""


def tokenize_documents(
    tokenizer: Tokenizer, documents: Documents, borders: DocumentBorders, processes: int | None
) -> Iterator[TokenIds]:
    """The token ids of the documents, some documents in each `[tokens]` int32 array, whole and in order.

    Args:
        tokenizer: a transformers tokenizer.
        documents: the texts.
        borders: what stands around each.
        processes: how many processes share the work; None: this one if the tokenizer is a fast one,
            which uses every core by itself, else one for each core.
    """
    if processes is None:
        processes = 1 if tokenizer.is_fast else cores()
    # More processes than batches would have nothing to do.
    processes = min(processes, -(-len(documents) // BATCH))
    if processes <= 1:
        return (joined_token_ids(tokenizer, texts, borders) for texts in documents.batches())
    return _shared_out(tokenizer, documents, borders, processes)


def _shared_out(
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
        # First in, last out: where this is left early, no thread waits for a process that does not answer.
        threads = stack.enter_context(ThreadPoolExecutor(processes))
        for _ in range(processes):
            idle.put(stack.enter_context(TokenizationWorker(tokenizer, borders, backend)))
        pending: deque[Future[TokenIds]] = deque()
        for texts in documents.batches():
            pending.append(threads.submit(tokenize, texts))
            # So many ahead that nobody waits, so few that memory does not fill up.
            if len(pending) > 2 * processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
