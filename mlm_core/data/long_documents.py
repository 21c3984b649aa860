"""Encoding a long document in pieces that give the token ids of the whole, so that memory stays small.

An encoding takes some hundred bytes a token until it is read: a document of 50 MB would take 8 GB.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2**20
"""Characters that are encoded together."""

_SAMPLE, _SAMPLE_PIECE = 2**15, 2**12
"""Characters of the beginning, with which pieces are compared to the whole, and of a piece there."""

_PLACE = re.compile(r"(?<=[^\W\d_])(?= [^\W\d_])")
"""Between a letter and a space before another letter: tokenizers split words there, if they split words."""

Encode = Callable[[list[str]], list[list[int]]]


class _Borders(NamedTuple):
    before: list[int]
    after: list[int]


def encode_long(encode: Encode, text: str) -> NDArray[np.int32]:
    """The token ids of a document with its borders, `encode([text])[0]`, as `[tokens]` int32.

    A tokenizer that gives pieces other ids than the whole gets the whole.

    Args:
        encode: gives the token ids of each text, with borders around it.
        text: the document.
    """
    sample = text[:_SAMPLE]
    borders = _borders(encode)
    if borders is None or _in_pieces(encode, sample, _SAMPLE_PIECE, borders).tolist() != encode([sample])[0]:
        return np.array(encode([text])[0], dtype=np.int32)
    return _in_pieces(encode, text, AT_ONCE, borders)


def _in_pieces(encode: Encode, text: str, size: int, borders: _Borders) -> NDArray[np.int32]:
    first, last = len(borders.before), len(borders.after)
    encoded = (encode([piece])[0] for piece in pieces(text, size))
    inner = [np.array(ids[first : len(ids) - last], dtype=np.int32) for ids in encoded]
    return np.concatenate([np.array(borders.before, np.int32), *inner, np.array(borders.after, np.int32)])


def pieces(text: str, size: int) -> list[str]:
    """A text in pieces of `size` characters or somewhat more; a piece ends where a word does."""
    found, start = [], 0
    while (place := _PLACE.search(text, start + size)) is not None:
        found.append(text[start : place.start()])
        start = place.start()
    return [*found, text[start:]]


def _borders(encode: Encode) -> _Borders | None:
    """The tokens before and after each text; None: they cannot be told from the text's own."""
    with suppress(Exception):
        # Own code may fail on an empty text.
        around, letter = encode([""])[0], encode(["a"])[0]
        splits = [
            _Borders(around[:place], around[place:])
            for place in range(len(around) + 1)
            if letter[:place] == around[:place]
            and letter[len(letter) - len(around) + place :] == around[place:]
        ]
        if len(splits) == 1 and len(letter) > len(around):
            return splits[0]
    return None
