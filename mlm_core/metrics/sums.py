"""Numbers are sums until they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MaskedSums:
    """Sums over masked tokens: of a batch, of micro-batches, of an evaluation.

    Attributes:
        loss: sum of the token losses (natural logarithm).
        correct: how often the most likely token was the right one.
        masked_tokens: how many tokens were masked.
    """

    loss: float = 0.0
    correct: int = 0
    masked_tokens: int = 0

    def __add__(self, other: MaskedSums) -> MaskedSums:
        return MaskedSums(
            self.loss + other.loss, self.correct + other.correct, self.masked_tokens + other.masked_tokens
        )

    @property
    def mean_loss(self) -> float:
        """Loss per masked token; nan if none was masked."""
        return self.loss / self.masked_tokens if self.masked_tokens else math.nan

    @property
    def perplexity(self) -> float:
        """exp(loss); infinite where that overflows."""
        try:
            return math.exp(self.mean_loss)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """Share of the masked tokens whose most likely prediction is right; nan if none was masked."""
        return self.correct / self.masked_tokens if self.masked_tokens else math.nan

    def as_results(self) -> dict[str, Any]:
        """The evaluation as `mlm evaluate --json` shows it."""
        return {
            "loss": finite(self.mean_loss),
            "perplexity": finite(self.perplexity),
            "accuracy": finite(self.accuracy),
            "masked_tokens": self.masked_tokens,
        }


def plain(value: Any) -> Any:
    """The value as JSON can say it: null for what is not finite, text for what has no other form."""
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
    """The number, or None where JSON has no word for it (nan, infinity)."""
    return number if number is not None and math.isfinite(number) else None
