"""Training a tokenizer on documents."""

from __future__ import annotations

from collections.abc import Iterable

from mlm_core.compat.transformers import Tokenizer


def train_tokenizer(documents: Iterable[str], vocabulary: int, model_max_length: int) -> Tokenizer:
    """Train a byte-level BPE tokenizer of RoBERTa's kind (Liu et al., 2019, "RoBERTa").

    Args:
        documents: the text to learn from.
        vocabulary: the largest number of tokens to learn, special tokens included.
        model_max_length: the longest input of the model, in tokens.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(documents, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return roberta_tokenizer(backend.to_str(), model_max_length)


def roberta_tokenizer(description: str, model_max_length: int) -> Tokenizer:
    """A RoBERTa tokenizer from its description, the JSON text that `tokenizers.Tokenizer.to_str` returns.

    Raises:
        Exception: the description is damaged; `tokenizers` has no exception of its own.
    """
    import tokenizers
    from transformers import RobertaTokenizerFast

    backend = tokenizers.Tokenizer.from_str(description)
    return RobertaTokenizerFast(tokenizer_object=backend, model_max_length=model_max_length)
