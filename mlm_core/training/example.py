"""A sentence with a masked word, on which a trained model is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.documents import Documents
from mlm_core.data.embedded_corpus import embedded_part
from mlm_core.hub.card import GUIDE_EXAMPLE
from mlm_core.model.architectures import length_limit
from mlm_core.training.setup import TrainingSetup


@dataclass(frozen=True)
class Example:
    """A sentence with one masked word.

    Attributes:
        text: the sentence, with `<mask>` in the place of the word.
        word: the word that the text has there; None: unknown.
        quoted: whether the sentence is from the held-out text.
    """

    text: str
    word: str | None = None
    quoted: bool = False


CORPUS_EXAMPLE = Example("If the file does not <mask>, an error is raised.", "exist")
"""A sentence in the style of the embedded corpus."""

_MASK = "<mask>"
_SENTENCE = re.compile(r"[^.!?\u3002\uff01\uff1f\n]+[.!?\u3002\uff01\uff1f]")
_PLAIN = re.compile(r"[\w\s,;:'\u2019()\-\u2013\u2014.!?\u3001\uff0c\u3002\uff01\uff1f]{20,200}")
"""Sentences without quotation marks and signs, which mean something in a shell or in Markdown."""

_WORD = re.compile(r"(?<=\s)[^\W\d_]{3,}")
_FEWEST_WORDS, _MOST_WORDS = 5, 25
_DOCUMENTS, _CHARACTERS, _TRIALS = 50, 5_000, 100
"""How much of the held-out text is searched, and how many words are tried."""

_PIECE = 20
"""Tokens of an example in a text without such sentences."""


def example_for(setup: TrainingSetup) -> Example:
    """A sentence of the held-out text whose masked word is a single token; if there is none, a fixed one.

    The embedded corpus has a fixed one, too.
    """
    if embedded_part(setup.config):
        return CORPUS_EXAMPLE
    found = None
    # A tokenizer of anyone's may fail on any text; the run is complete all the same.
    with suppress(Exception):
        found = held_out_example(setup.held_out, setup.model.tokenizer, length_limit(setup.model.config))
    return found or Example(GUIDE_EXAMPLE)


def held_out_example(documents: Documents, tokenizer: Tokenizer, limit: int | None) -> Example | None:
    """The first sentence of the documents in which a word can be masked; None: there is none.

    Args:
        documents: the held-out texts.
        tokenizer: of the model.
        limit: the longest input of the model, in tokens; None: unlimited.
    """
    texts = [documents[index][:_CHARACTERS] for index in range(min(len(documents), _DOCUMENTS))]
    trials = 0
    for sentence in (sentence for text in texts for sentence in _sentences(text)):
        for start, end in _words(sentence):
            trials += 1
            if trials > _TRIALS:
                return None
            example = Example(f"{sentence[:start]}{_MASK}{sentence[end:]}", sentence[start:end], True)
            if _is_one_token(sentence, example, tokenizer, limit):
                return example
    return next(filter(None, (_piece(text, tokenizer, limit) for text in texts)), None)


def _sentences(text: str) -> Iterator[str]:
    for found in _SENTENCE.findall(text):
        sentence = " ".join(found.split())
        if _PLAIN.fullmatch(sentence) and _FEWEST_WORDS <= len(sentence.split()) <= _MOST_WORDS:
            yield sentence


def _words(sentence: str) -> list[tuple[int, int]]:
    """Places of words after the first, the longest first: long words say most."""
    places = [found.span() for found in _WORD.finditer(sentence)]
    return sorted(places, key=lambda place: place[0] - place[1])[:4]


def _is_one_token(sentence: str, example: Example, tokenizer: Tokenizer, limit: int | None) -> bool:
    whole = tokenizer(sentence, verbose=False)["input_ids"]
    masked = tokenizer(example.text.replace(_MASK, tokenizer.mask_token), verbose=False)["input_ids"]
    if len(whole) != len(masked) or (limit is not None and len(whole) > limit):
        return False
    differing = [pair for pair in zip(whole, masked, strict=True) if pair[0] != pair[1]]
    return (
        len(differing) == 1
        and differing[0][1] == tokenizer.mask_token_id
        and differing[0][0] != tokenizer.unk_token_id
    )


def _beginnings(ids: list[int], tokenizer: Tokenizer) -> set[int]:
    """The places of tokens that begin a word after a space."""
    texts = [tokenizer.decode(ids[:end]) for end in range(len(ids) + 1)]
    return {place for place in range(1, len(ids)) if texts[place + 1].startswith(f"{texts[place].rstrip()} ")}


def _piece(text: str, tokenizer: Tokenizer, limit: int | None) -> Example | None:
    """The first tokens of a text, one of which is masked: for languages without spaces, for lines of code."""
    ids = tokenizer(" ".join(text.split()), add_special_tokens=False, verbose=False)["input_ids"]
    begins = _beginnings(ids[: _PIECE + 1], tokenizer)
    ids = ids[: max((place for place in begins if place > 1), default=_PIECE)]
    # A whole word if there is one: a token that begins a word, before another that does.
    words = [place for place in begins if place + 1 in begins]
    for place in sorted(words or range(1, len(ids)), key=lambda place: abs(place - len(ids) // 2)):
        word = tokenizer.decode([ids[place]]).strip()
        if word.isalpha() and ids[place] != tokenizer.unk_token_id:
            before, after = tokenizer.decode(ids[:place]), tokenizer.decode(ids[place + 1 :])
            shown = f"{before} {_MASK}{after if after.startswith(' ') else f' {after}'}".strip()
            if _PLAIN.fullmatch(shown.replace(_MASK, "")) is None or _MASK in before + after:
                return None
            masked = tokenizer(shown.replace(_MASK, tokenizer.mask_token), verbose=False)["input_ids"]
            fits = limit is None or len(masked) <= limit
            return Example(shown, word, True) if fits and masked.count(tokenizer.mask_token_id) == 1 else None
    return None
