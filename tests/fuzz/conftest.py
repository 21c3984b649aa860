"""How many cases the fuzzing has tried; each test says at its end what it did."""

from __future__ import annotations

from collections import Counter

import pytest

_TRIED: Counter[str] = Counter()


@pytest.fixture(scope="session")
def tried():
    """Counts the cases by reader."""
    return _TRIED
