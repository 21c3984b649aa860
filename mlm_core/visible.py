"""Text for people: counts, probabilities, and text of unknown origin.

Text of unknown origin is shown without what controls a terminal, and without secrets.
"""

from __future__ import annotations

import os
import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 and C1 (escape sequences begin with them), marks that turn the direction of writing, lone surrogates;
not tab and line feed."""

_TOKEN = re.compile(r"\b(hf|api_org|hf_oauth)_(?=[A-Za-z]*[A-Z0-9])[A-Za-z0-9]{24,}")
"""The Hub's tokens have 34 characters after the prefix; names such as hf_pretraining2 have fewer."""
_ALIKE = re.compile(r"\b(hf|api_org|hf_oauth)_[A-Z0-9]{12,}\b")
"""Made-up or shortened tokens: not shown, as hardly a name is written like this, and no reason to refuse."""
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
_SHORTEST = 8
"""Characters of a secret in a variable: a shorter one could be any word."""

HIDDEN = "***"

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
"""In seconds."""

_SMALL = 0.01
"""A probability below which decimals would hide most of its digits."""


def visible(text: str, *, lines: bool = False) -> str:
    """The text with control characters written as escapes, and with secrets hidden.

    Args:
        text: from a file, a model, a name or an error.
        lines: whether line feeds and tabs stay.
    """
    shown = masked(text)
    if not lines:
        shown = shown.replace("\n", "\\n").replace("\t", " ")
    return _CONTROL.sub(_escaped, shown)


def masked(text: str) -> str:
    """The text without tokens of the Hub, and without passwords in addresses."""
    for name in _VARIABLES:
        secret = os.environ.get(name, "").strip()
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    for form in (_TOKEN, _ALIKE):
        text = form.sub(rf"\1_{HIDDEN}", text)
    return _PASSWORD.sub(HIDDEN, text)


def masked_values(value: Any) -> Any:
    """A JSON value with `masked` texts, at any depth."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked_values(name): masked_values(item) for name, item in value.items()}
    return [masked_values(item) for item in value] if isinstance(value, (list, tuple)) else value


def holds_secret(text: str) -> bool:
    """Whether the text has a token of the Hub in it."""
    secrets = (os.environ.get(name, "").strip() for name in _VARIABLES)
    return bool(_TOKEN.search(text)) or any(len(secret) >= _SHORTEST and secret in text for secret in secrets)


def quantity(number: int, noun: str) -> str:
    """A number with its noun, for example "1 thread", "1,000 threads"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time in at most two units, for example "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d 6 h"."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    rest = round(seconds)
    if rest < _MINUTE:
        return f"{rest} s"
    if rest < _HOUR:
        large, small, names = _MINUTE, 1, ("min", "s")
    elif rest < _DAY:
        large, small, names = _HOUR, _MINUTE, ("h", "min")
    else:
        large, small, names = _DAY, _HOUR, ("d", "h")
    whole, part = divmod(rest // small, large // small)
    return f"{whole:,} {names[0]}" + (f" {part} {names[1]}" if part else "")


def probability(value: float | None, decimals: int) -> str:
    """A probability with so many decimals, a small one with significant digits; "-": it is not finite."""
    if value is None:
        return "-"
    return f"{value:.{decimals}f}" if value >= _SMALL or value == 0 else f"{value:.{decimals - 1}g}"


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
