"""Tokens for people: a token's own text, readable, and the tokens of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mlm_core.compat.transformers import Tokenizer
from mlm_core.errors import RequestError

_UNREADABLE = "\ufffd"
"""What a decoder writes for bytes that are no character."""

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


def readable_token(tokenizer: Tokenizer, token: int) -> str:
    """A token's text; bytes that are no character as `<0xC3>`; the token's spelling if it has no text."""
    text: str = tokenizer.decode([token])
    if text and _UNREADABLE not in text:
        return text
    spelling = str(tokenizer.convert_ids_to_tokens(int(token)))
    if not text or _BYTE_TOKEN.fullmatch(spelling):
        return spelling
    alphabet = _byte_alphabet()
    if not all(character in alphabet for character in spelling):
        return spelling
    characters = bytes(alphabet[character] for character in spelling).decode("utf-8", "surrogateescape")
    return "".join(
        f"<0x{ord(character) - 0xDC00:02X}>" if 0xDC80 <= ord(character) <= 0xDCFF else character
        for character in characters
    )


@cache
def _byte_alphabet() -> dict[str, int]:
    """The bytes of byte-level tokenizers, by the characters that stand for them in a vocabulary.

    A printable character of Latin-1 stands for its own byte; the characters from 256 on stand for the other
    bytes, in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


def target_ids(targets: Sequence[str], tokenizer: Tokenizer, say: Callable[[str], None]) -> NDArray[np.int64]:
    """The tokens of words.

    A word is tokenized like a text. If that gives several tokens, a token that is shown as this very word is
    taken, for example `##ing`; else the first of them, as the fill-mask pipeline does.

    Args:
        targets: the words.
        tokenizer: of the model.
        say: is told where a word is not a single token, or has the same first token as another.

    Raises:
        RequestError: the tokenizer does not know a word.
    """
    found: dict[int, str] = {}
    for target in targets:
        token = _token_of(target, tokenizer, say)
        if token in found and found[token] != target:
            say(f"targets {found[token]!r} and {target!r} begin with the same token, which is scored once")
        found.setdefault(token, target)
    return np.array(list(found), dtype=np.int64)


def _token_of(target: str, tokenizer: Tokenizer, say: Callable[[str], None]) -> int:
    pieces = _pieces(target, tokenizer)
    unknown = tokenizer.unk_token_id
    if len(pieces) == 1 and (pieces[0] != unknown or target == tokenizer.unk_token):
        return pieces[0]
    spelled = tokenizer.get_vocab().get(target)
    if spelled is not None and tokenizer.decode([spelled]) == target:
        return int(spelled)
    if not pieces or pieces[0] == unknown:
        raise RequestError(
            "unknown to this model's tokenizer",
            code="bad_target",
            option="--targets",
            value=target,
            fix="leave it out, or give another word",
        )
    say(_piece_note(target, pieces[0], tokenizer))
    return pieces[0]


def _piece_note(target: str, piece: int, tokenizer: Tokenizer) -> str:
    scored = readable_token(tokenizer, piece)
    note = f"target {target!r} is not a single token of this model; its first piece {scored!r} is scored"
    spaced = f" {target}"
    if len(_pieces(spaced, tokenizer)) == 1:
        note += f" (with a space before it, {spaced!r} is a single token)"
    return note


def _pieces(text: str, tokenizer: Tokenizer) -> list[int]:
    return [int(token) for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]
