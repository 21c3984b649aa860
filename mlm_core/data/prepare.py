"""From documents to masked blocks: all the data that a run needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlm_core.batches.batch import BatchAssembler
from mlm_core.batches.masking import MaskingRule
from mlm_core.batches.masking_rule import masking_rule, padding_id
from mlm_core.batches.randomness import Stream
from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.config import Config, required
from mlm_core.config.data import DataConfig
from mlm_core.data.document_borders import DocumentBorders, document_borders
from mlm_core.data.documents import BATCH, Documents
from mlm_core.data.fingerprint import fingerprint_of
from mlm_core.data.store import BlockStore, Counted, StoreFacts, build_store, open_store
from mlm_core.data.token_counts import check_counts, counted_by, token_counts
from mlm_core.data.tokenization import TokenIds
from mlm_core.data.tokenize_documents import tokenize_documents
from mlm_core.data.tokenizer_fingerprint import tokenizer_fingerprint
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.system.cache import cache_directory, unwritable_cache
from mlm_core.visible import quantity

_FORMAT = "2"
"""The version of a store's content; every change of the content increases it."""


@dataclass(frozen=True)
class PreparedData:
    """The batches of a run, and facts about the text that they were made from.

    Attributes:
        train: the training batches; None: an evaluation only.
        test: the evaluation batches.
        stores: facts about each part's block store, by "training" and "held-out".
        maskable: each part's tokens that may be masked.
    """

    train: BatchAssembler | None
    test: BatchAssembler
    stores: Mapping[str, StoreFacts]
    maskable: Mapping[str, int]


@dataclass(frozen=True)
class Vocabulary:
    """What preparing data needs of a model.

    Attributes:
        tokenizer: a transformers tokenizer.
        size: rows of the model's embedding.
        model: the user's name for the model, for errors.
    """

    tokenizer: Tokenizer
    size: int
    model: str


def block_store(
    documents: Documents,
    vocabulary: Vocabulary,
    config: DataConfig,
    part: str,
    progress: Progress,
    counted: Counted | None = None,
) -> BlockStore:
    """The blocks of these documents, from the cache if they are there, else tokenised now.

    Args:
        documents: the text.
        vocabulary: the tokenizer and the model's name.
        config: the data options; `block_size` must be resolved.
        part: the part's name for the progress bar, "training" or "held-out".
        progress: reports how far the work is.
        counted: what to count in the blocks.

    Raises:
        RequestError: the tokenizer lacks a token that the options ask for.
        RunError: the cache cannot be written, or a process that tokenises ended.
    """
    tokenizer = vocabulary.tokenizer
    borders = document_borders(tokenizer, config, vocabulary.model)
    padding = padding_id(tokenizer, vocabulary.model) if config.last_block == "pad" else None
    block_size = required(config.block_size)
    directory = cache_directory() / "stores" / _store_name(documents, tokenizer, borders, padding, block_size)
    stored = open_store(directory)
    if stored is not None:
        return stored
    if directory.exists():
        progress.warn(f"the prepared {part} text in {directory} is damaged; it is prepared again")
    pieces = _checked(
        tokenize_documents(tokenizer, documents, borders, config.num_proc, progress.warn), vocabulary
    )
    batches = -(-len(documents) // BATCH)
    shown = progress.track(pieces, f"tokenising the {part} text, by {BATCH:,} documents", batches)
    try:
        return build_store(
            directory, shown, block_size, documents=len(documents), padding_id=padding, counted=counted
        )
    except OSError as error:
        raise unwritable_cache(error) from None


def _checked(pieces: Iterable[TokenIds], vocabulary: Vocabulary) -> Iterator[TokenIds]:
    """The same token ids, all of which have a row in the embedding."""
    for ids in pieces:
        if len(ids) and not 0 <= ids.min() <= ids.max() < vocabulary.size:
            wrong = int(ids.max() if ids.min() >= 0 else ids.min())
            raise RequestError(
                f"its tokenizer gives the id {wrong}, but its embedding has only "
                f"{quantity(vocabulary.size, 'row')}",
                code="vocabulary_mismatch",
                option="--model",
                value=vocabulary.model,
                fix="use the tokenizer the model was trained with",
            )
        yield ids


def _store_name(
    documents: Documents, tokenizer: Tokenizer, borders: DocumentBorders, padding: int | None, block_size: int
) -> str:
    """A hash of everything that determines the blocks: equal names mean equal blocks."""
    inputs = [documents.fingerprint, tokenizer_fingerprint(tokenizer), str(block_size), str(padding)]
    return fingerprint_of([_FORMAT, *inputs, str(borders.special), str(borders.separator)])


def assembler(store: BlockStore, rule: MaskingRule, seed: int, stream: Stream, part: str) -> BatchAssembler:
    """The assembler of batches from a store.

    Args:
        store: the blocks.
        rule: the masking rule.
        seed: the run's seed.
        stream: the stream of random numbers for the masks.
        part: the part's name in an error, "training" or "held-out".

    Raises:
        RequestError: the text is shorter than one block.
    """
    if store.facts.blocks == 0:
        size = store.facts.block_size
        raise RequestError(
            f"the {part} text has {quantity(store.facts.tokens, 'token')}, fewer than a block of {size}",
            code="too_little_data",
            option="--dataset",
            fix=f"give more text, a --block-size below {size}, or --last-block pad",
        )
    return BatchAssembler(store.blocks, rule, seed, stream, store.facts.padding)


def prepare_data(
    train: Documents | None, test: Documents, vocabulary: Vocabulary, config: Config, progress: Progress
) -> PreparedData:
    """Tokenise the documents, group them into blocks, and set up the masking.

    Args:
        train: the documents to train on; None: an evaluation only.
        test: the documents to evaluate on.
        vocabulary: the model's tokenizer and vocabulary.
        config: all options, resolved.
        progress: reports how far the work is.

    Raises:
        RequestError: a part has less text than one block, or the tokenizer lacks a token.
        RunError: the cache cannot be written, or a process that tokenises ended.
    """
    tokenizer = vocabulary.tokenizer
    rule = masking_rule(tokenizer, config, vocabulary.model, vocabulary.size)
    prepared, stores, counted = {}, {}, counted_by(tokenizer, rule)
    maskable: dict[str, int] = {}
    for part, documents, stream in (
        ("training", train, Stream.TRAINING_MASK),
        ("held-out", test, Stream.EVALUATION_MASK),
    ):
        if documents is not None:
            store = block_store(documents, vocabulary, config, part, progress, counted)
            stores[part] = store.facts
            prepared[part] = assembler(store, rule, config.seed, stream, part)
            counts = token_counts(store, counted)
            check_counts(part, documents, tokenizer, store.facts, counts, progress)
            maskable[part] = counts[0]
    if config.mlm_probability * maskable["held-out"] < 1:
        progress.warn(
            f"of the held-out text's {quantity(maskable['held-out'], 'token')}, less than one is masked"
        )
    return PreparedData(prepared.get("training"), prepared["held-out"], stores, maskable)
