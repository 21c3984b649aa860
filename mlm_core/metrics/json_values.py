"""Numbers and other values as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The value as plain JSON: null for a number that is not finite, text for a value with no other form."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def finite(number: float | None) -> float | None:
    """The number; None for nan and infinity, which JSON lacks."""
    return number if number is not None and math.isfinite(number) else None
