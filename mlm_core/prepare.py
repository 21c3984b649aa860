"""From text to masked blocks: everything about the data that a run needs."""

from __future__ import annotations

from dataclasses import dataclass

from mlm_core.batch import BatchAssembler
from mlm_core.cache import cache_directory
from mlm_core.config import Config
from mlm_core.errors import RequestError
from mlm_core.masking import MaskingRule
from mlm_core.randomness import Stream
from mlm_core.sources import fingerprint_of
from mlm_core.store import BlockStore, build_store, open_store
from mlm_core.tokenization import Tokenizer, tokenize, tokenizer_fingerprint


@dataclass(frozen=True)
class PreparedData:
    """Masked blocks by row key: `train` is None where only an evaluation was asked for."""

    train: BatchAssembler | None
    test: BatchAssembler


def block_store(documents: list[str], tokenizer: Tokenizer, block_size: int) -> BlockStore:
    """The blocks of these documents, from the cache or tokenised now."""
    content = fingerprint_of(documents)
    name = fingerprint_of([content, tokenizer_fingerprint(tokenizer), str(block_size)])
    directory = cache_directory() / "stores" / name
    stored = open_store(directory)
    return stored or build_store(directory, tokenize(tokenizer, documents), block_size)


def assembler(store: BlockStore, rule: MaskingRule, seed: int, stream: Stream, part: str) -> BatchAssembler:
    """Batches from a store.

    Raises:
        RequestError: the text is shorter than one block.
    """
    if store.facts.blocks == 0:
        raise RequestError(
            f"the {part} text has {store.facts.tokens} tokens, less than one block",
            code="too_little_data",
            option="--block-size",
            value=store.facts.block_size,
            fix="give more text or smaller blocks",
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
    prepared = {}
    for part, documents, stream in (
        ("training", train, Stream.TRAINING_MASK),
        ("test", test, Stream.EVALUATION_MASK),
    ):
        if documents is not None:
            store = block_store(documents, tokenizer, config.block_size)
            prepared[part] = assembler(store, rule, config.seed, stream, part)
    return PreparedData(prepared.get("training"), prepared["test"])
