"""Which tokens surround each document: `--document-borders`."""

from __future__ import annotations

from dataclasses import dataclass

from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.data import DataConfig
from mlm_core.errors import RequestError


@dataclass(frozen=True)
class DocumentBorders:
    """The tokens around each document.

    Attributes:
        special: whether the tokenizer adds its own special tokens.
        separator: the id of a token after each document, or None.
    """

    special: bool
    separator: int | None


def document_borders(tokenizer: Tokenizer, config: DataConfig, model: str) -> DocumentBorders:
    """The borders that `--document-borders` asks for; `model` is the model's name in an error.

    A separator is the tokenizer's separator token, or else its end token.

    Raises:
        RequestError: a separator is requested, and the tokenizer has none.
    """
    if config.document_borders == "special-tokens":
        return DocumentBorders(special=True, separator=None)
    for separator in (tokenizer.sep_token_id, tokenizer.eos_token_id):
        if separator is not None:
            return DocumentBorders(special=False, separator=int(separator))
    raise RequestError(
        f"the tokenizer of {model} has no separator token",
        code="no_separator",
        option="--document-borders",
        value=config.document_borders,
        fix="use special-tokens",
    )
