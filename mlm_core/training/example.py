"""Sentences with a masked word, on which a model is shown before and after its training."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from mlm_core.batches.randomness import Stream, integers_below, raw_draws
from mlm_core.compat.transformers import Tokenizer
from mlm_core.data.documents import Documents
from mlm_core.data.embedded_corpus import embedded_part
from mlm_core.hub.card import GUIDE_EXAMPLE
from mlm_core.model.architectures import length_limit
from mlm_core.training.setup import TrainingSetup
from mlm_core.visible import visible


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

    @property
    def plain(self) -> bool:
        """Whether it has no sign that means something in a shell, in Markdown or in a program."""
        return _PLAIN.fullmatch(self.text.replace(_MASK, self.word or "", 1)) is not None


CORPUS_EXAMPLE = Example("If the file does not <mask>, an error is raised.", "exist")
"""A sentence in the style of the embedded corpus."""

EXAMPLES = 5
"""Sentences on which a run shows its model."""

_MASK = "<mask>"
_BREAK = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n")
"""Between sentences; the point of 3.5 ends none."""

_ENDS = tuple(".!?\u3002\uff01\uff1f")
_PLAIN = re.compile(r"[\w\s,;:'\u2019()\-\u2013\u2014.!?\u3001\uff0c\u3002\uff01\uff1f]{20,200}")
"""Sentences without quotation marks and signs, which mean something in a shell or in Markdown."""

_WORD = re.compile(r"(?<=\s)[^\W\d_]{3,}")
_FEWEST_WORDS, _MOST_WORDS = 5, 25
_DOCUMENTS, _CHARACTERS, _TRIALS = 50, 5_000, 100
"""How much of the held-out text is searched, and how many words are tried."""

_PIECE = 20
"""Tokens of an example in a text without such sentences."""

_FEWEST, _MOST = 3, 400
"""Characters of such an example."""

_UNREADABLE = "\ufffd"
"""What a decoder writes for bytes that are no character."""

_ENGLISH = ("the", "of", "and")


def examples_for(setup: TrainingSetup) -> list[Example]:
    """The sentences on which a run shows its model, `EXAMPLES` of them if the text has as many.

    They are drawn from the held-out text by the seed, so both engines have the same.
    """
    found = [CORPUS_EXAMPLE] if embedded_part(setup.config) else []
    # A tokenizer of anyone's may fail on any text; the run is complete all the same.
    with suppress(Exception):
        texts, model = _drawn_texts(setup.held_out, setup.config.seed), setup.model
        found += held_out_examples(texts, model.tokenizer, length_limit(model.config), EXAMPLES - len(found))
    return found


def example_for(setup: TrainingSetup) -> Example:
    """The first of `examples_for`; if there is none, a fixed sentence."""
    return next(iter(examples_for(setup)), Example(GUIDE_EXAMPLE))


def card_example(setup: TrainingSetup, *, public: bool) -> str:
    """A text with `<mask>` for the model card, which may be published: it quotes no text that is not public.

    Args:
        setup: of the run.
        public: whether its text is public.
    """
    example = example_for(setup)
    if example.plain and (public or not example.quoted):
        return example.text
    with suppress(Exception):
        if not _is_english(_drawn_texts(setup.held_out, setup.config.seed)):
            # The words of the model's own language are not known here.
            return f"... {_MASK} ..."
    return GUIDE_EXAMPLE


def held_out_examples(
    texts: Sequence[str], tokenizer: Tokenizer, limit: int | None, count: int
) -> list[Example]:
    """Examples from texts, the first of each text before a second one of any.

    Sentences of words come first, then pieces of lines that have none, then pieces with any signs, for
    example of a molecule's formula.

    Args:
        texts: held-out texts.
        tokenizer: of the model.
        limit: the longest input of the model, in tokens; None: unlimited.
        count: how many examples at most.
    """
    trials = _Trials(tokenizer, limit)
    found: list[Example] = []
    for kind in (trials.sentences, trials.plain_pieces, trials.pieces):
        found += _in_turn(texts, kind, count - len(found), {example.text for example in found})
        if len(found) >= count:
            break
    return found


def held_out_example(documents: Sequence[str], tokenizer: Tokenizer, limit: int | None) -> Example | None:
    """The first plain example of the documents; None: there is none. See `held_out_examples`."""
    texts = [documents[index][:_CHARACTERS] for index in range(min(len(documents), _DOCUMENTS))]
    return next(filter(lambda found: found.plain, held_out_examples(texts, tokenizer, limit, 1)), None)


def _drawn_texts(documents: Documents, seed: int) -> list[str]:
    """The beginnings of some documents, drawn by the seed; each document once."""
    count = len(documents)
    if count <= _DOCUMENTS:
        return [text[:_CHARACTERS] for text in documents]
    drawn = integers_below(raw_draws(seed, Stream.EXAMPLE, 0, 2 * _DOCUMENTS), min(count, 2**32 - 1))
    rows = np.sort(np.array(list(dict.fromkeys(drawn.tolist()))[:_DOCUMENTS], dtype=np.int64))
    return [text[:_CHARACTERS] for text in documents.select(rows)]


def _in_turn(
    texts: Sequence[str], kind: Callable[[str], Iterator[Example]], count: int, known: set[str]
) -> list[Example]:
    """One example of each text, then a second one of each, until there are `count`."""
    found: list[Example] = []
    sources = [kind(text) for text in texts]
    while sources and len(found) < count:
        for source in list(sources):
            example = next((new for new in source if new.text not in known), None)
            if example is None:
                sources.remove(source)
                continue
            known.add(example.text)
            found.append(example)
            if len(found) >= count:
                break
    return found


class _Trials:
    """Examples of a text that a tokenizer can mask; it stops after `_TRIALS` words.

    Args:
        tokenizer: of the model.
        limit: the longest input, in tokens; None: unlimited.
    """

    def __init__(self, tokenizer: Tokenizer, limit: int | None) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        self._left = _TRIALS

    def sentences(self, text: str) -> Iterator[Example]:
        """Sentences of words, each with a masked word that is a single token."""
        for sentence in _sentences(text):
            for start, end in _words(sentence):
                self._left -= 1
                if self._left < 0:
                    return
                example = Example(f"{sentence[:start]}{_MASK}{sentence[end:]}", sentence[start:end], True)
                if self._fits(example) and right_token(example, self._tokenizer) is not None:
                    yield example
                    break

    def plain_pieces(self, text: str) -> Iterator[Example]:
        """The first tokens of a text without sentences, without signs that mean something elsewhere."""
        yield from (found for found in self.pieces(text) if found.plain and str(found.word).isalpha())

    def pieces(self, text: str) -> Iterator[Example]:
        """The first tokens of a text, one of which is masked: for languages without spaces, for code."""
        tokenizer, joined = self._tokenizer, " ".join(text.split())
        if visible(joined) != joined:
            # With a mask in it, or cut off, a secret would no longer be known as one.
            return
        ids = tokenizer(joined, add_special_tokens=False, verbose=False)["input_ids"]
        begins = _beginnings(ids[: _PIECE + 1], tokenizer)
        ids = ids[: max((place for place in begins if place > 1), default=_PIECE)]
        while ids and _UNREADABLE in tokenizer.decode(ids):
            # It ends within a character, whose other bytes are further tokens.
            ids = ids[:-1]
        # A whole word if there is one: a token that begins a word, before another that does.
        words = [place for place in begins if place + 1 in begins]
        for place in sorted(words or range(1, len(ids)), key=lambda place: abs(place - len(ids) // 2)):
            example = _masked_at(place, ids, tokenizer)
            if example is not None and self._fits(example):
                yield example

    def _fits(self, example: Example) -> bool:
        ids = masked_ids(example, self._tokenizer)
        short = self._limit is None or len(ids) <= self._limit
        return short and ids.count(self._tokenizer.mask_token_id) == 1


def _masked_at(place: int, ids: list[int], tokenizer: Tokenizer) -> Example | None:
    """The text of some tokens with one of them masked; None: the token is no text of its own."""
    before, until, whole = (tokenizer.decode(ids[:end]) for end in (place, place + 1, len(ids)))
    if ids[place] == tokenizer.unk_token_id or not (until.startswith(before) and whole.startswith(until)):
        return None
    word = until[len(before) :]
    shown = f"{before}{' ' if word.startswith(' ') else ''}{_MASK}{whole[len(until) :]}".strip()
    word = word.strip()
    known = visible(shown) == shown and not any(sign in whole for sign in (_MASK, "[MASK]", _UNREADABLE))
    if not (known and word and _FEWEST <= len(shown) - len(_MASK) <= _MOST):
        return None
    return Example(shown, word, True)


def right_token(example: Example, tokenizer: Tokenizer) -> int | None:
    """The token that the text has in the place of the mask; None: unknown, or not a single token."""
    if example.word is None:
        return None
    whole = tokenizer(example.text.replace(_MASK, example.word, 1), verbose=False)["input_ids"]
    masked = masked_ids(example, tokenizer)
    if len(whole) != len(masked):
        return None
    differing = [pair for pair in zip(whole, masked, strict=True) if pair[0] != pair[1]]
    if len(differing) != 1 or differing[0][1] != tokenizer.mask_token_id:
        return None
    return None if differing[0][0] == tokenizer.unk_token_id else int(differing[0][0])


def masked_ids(example: Example, tokenizer: Tokenizer) -> list[int]:
    """The tokens of an example, with the model's mask."""
    text = example.text.replace(_MASK, tokenizer.mask_token, 1)
    return list(tokenizer(text, verbose=False)["input_ids"])


def is_short(text: str) -> bool:
    """Whether a text has the length of an example, and one mask."""
    return len(text) <= _MOST + len(_MASK) and text.count(_MASK) == 1


def _sentences(text: str) -> Iterator[str]:
    for found in _BREAK.split(text):
        sentence = " ".join(found.split())
        words = len(sentence.split())
        if not sentence.endswith(_ENDS) or sentence.count("(") != sentence.count(")"):
            continue
        # A secret is a word, too.
        if (
            _PLAIN.fullmatch(sentence)
            and _FEWEST_WORDS <= words <= _MOST_WORDS
            and visible(sentence) == sentence
        ):
            yield sentence


def _words(sentence: str) -> list[tuple[int, int]]:
    """Places of words after the first, the longest first: long words say most."""
    places = [found.span() for found in _WORD.finditer(sentence)]
    return sorted(places, key=lambda place: place[0] - place[1])[:4]


def _beginnings(ids: list[int], tokenizer: Tokenizer) -> set[int]:
    """The places of tokens that begin a word after a space."""
    texts = [tokenizer.decode(ids[:end]) for end in range(len(ids) + 1)]
    return {place for place in range(1, len(ids)) if texts[place + 1].startswith(f"{texts[place].rstrip()} ")}


def _is_english(texts: Sequence[str]) -> bool:
    """Whether the commonest English words are among the words of the texts."""
    words = {word for text in texts for word in text.lower().split()}
    return all(word in words for word in _ENGLISH)
