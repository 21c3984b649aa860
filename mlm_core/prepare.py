"""From text to masked blocks: everything about the data that a run needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlm_core.batch import BatchAssembler
from mlm_core.cache import cache_directory
from mlm_core.config import Config
from mlm_core.errors import RequestError, RunError
from mlm_core.masking import MaskingRule
from mlm_core.randomness import Stream
from mlm_core.sources import fingerprint_of
from mlm_core.store import BlockStore, StoreFacts, build_store, open_store
from mlm_core.tokenization import Tokenizer, tokenize, tokenizer_fingerprint


@dataclass(frozen=True)
class PreparedData:
    """Masked blocks by row key, and what they were made of, by part.

    `train` is None where only an evaluation was asked for.
    """

    train: BatchAssembler | None
    test: BatchAssembler
    stores: Mapping[str, StoreFacts]


def block_store(documents: list[str], tokenizer: Tokenizer, block_size: int) -> BlockStore:
    """The blocks of these documents, from the cache or tokenised now."""
    content = fingerprint_of(documents)
    name = fingerprint_of([content, tokenizer_fingerprint(tokenizer), str(block_size)])
    directory = cache_directory() / "stores" / name
    stored = open_store(directory)
    if stored is not None:
        return stored
    try:
        return build_store(directory, tokenize(tokenizer, documents), block_size)
    except OSError as error:
        raise RunError(
            f"the prepared text cannot be written ({error.strerror or error})",
            code="cache_unwritable",
            option="MLM_CACHE",
            value=str(cache_directory()),
            fix="set MLM_CACHE to a directory with space that can be written",
        ) from None


def assembler(store: BlockStore, rule: MaskingRule, seed: int, stream: Stream, part: str) -> BatchAssembler:
    """Batches from a store.

    Raises:
        RequestError: the text is shorter than one block.
    """
    if store.facts.blocks == 0:
        raise RequestError(
            f"the {part} text has {store.facts.tokens} tokens, less than a block of {store.facts.block_size}",
            code="too_little_data",
            option="--dataset",
            fix=f"give more text, or a --block-size below {store.facts.block_size}",
        )
    return BatchAssembler(store.blocks, rule, seed, stream)


def prepare_data(
    train: list[str] | None, test: list[str], tokenizer: Tokenizer, rule: MaskingRule, config: Config
) -> PreparedData:
    """Tokenise, group and get ready to mask; `config` must be resolved.

    Raises:
        RequestError: a part has less text than one block.
    """
    assert config.block_size is not None
    prepared, stores = {}, {}
    for part, documents, stream in (
        ("training", train, Stream.TRAINING_MASK),
        ("held-out", test, Stream.EVALUATION_MASK),
    ):
        if documents is not None:
            store = block_store(documents, tokenizer, config.block_size)
            stores[part] = store.facts
            prepared[part] = assembler(store, rule, config.seed, stream, part)
    return PreparedData(prepared.get("training"), prepared["held-out"], stores)
