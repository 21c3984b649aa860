"""A fingerprint of texts: equal texts have equal fingerprints, in every run and on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


class Fingerprint:
    """blake2b (16 bytes, hex) over texts; each text's length is hashed too, so boundaries count."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, text: str) -> None:
        """Add the next text.

        Raises:
            UnicodeEncodeError: the text contains half of a surrogate pair. Tokenizers reject it as well.
        """
        content = text.encode("utf-8")
        self._digest.update(len(content).to_bytes(8, "little"))
        self._digest.update(content)

    def hexdigest(self) -> str:
        """The fingerprint of the texts so far, 32 hexadecimal digits."""
        return self._digest.hexdigest()


def fingerprint_of(texts: Iterable[str]) -> str:
    """The fingerprint of these texts, 32 hexadecimal digits; see `Fingerprint`.

    Raises:
        UnicodeEncodeError: a text contains half of a surrogate pair.
    """
    fingerprint = Fingerprint()
    for text in texts:
        fingerprint.add(text)
    return fingerprint.hexdigest()
