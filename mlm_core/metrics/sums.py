"""Sums over masked tokens; they become means only when they are shown, so each mean is one division."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlm_core.metrics.json_values import finite
from mlm_core.ranks.ranks import Ranks


@dataclass(frozen=True)
class MaskedSums:
    """Sums over the masked tokens of a batch, of several batches or of an evaluation; `+` adds them up.

    Attributes:
        loss: sum of the tokens' losses, in nats (natural logarithm).
        correct: tokens whose most likely prediction is right.
        masked_tokens: number of masked tokens.
    """

    loss: float = 0.0
    correct: int = 0
    masked_tokens: int = 0

    def __add__(self, other: MaskedSums) -> MaskedSums:
        return MaskedSums(
            self.loss + other.loss, self.correct + other.correct, self.masked_tokens + other.masked_tokens
        )

    def over(self, ranks: Ranks) -> MaskedSums:
        """The sums over all ranks, which each of them must ask for."""
        if ranks.count == 1:
            return self
        loss, correct, masked_tokens = ranks.add_up([self.loss, self.correct, self.masked_tokens])
        return MaskedSums(loss, int(correct), int(masked_tokens))

    @property
    def mean_loss(self) -> float:
        """Loss per masked token, in nats; nan if no token is masked."""
        return self.loss / self.masked_tokens if self.masked_tokens else math.nan

    @property
    def perplexity(self) -> float:
        """exp(mean loss); infinite where that overflows."""
        try:
            return math.exp(self.mean_loss)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """Share of the masked tokens whose most likely prediction is right; nan if no token is masked."""
        return self.correct / self.masked_tokens if self.masked_tokens else math.nan

    def as_results(self) -> dict[str, Any]:
        """The evaluation as `mlm evaluate --json` prints it; null where a number is not finite."""
        return {
            "loss": finite(self.mean_loss),
            "perplexity": finite(self.perplexity),
            "accuracy": finite(self.accuracy),
            "masked_tokens": self.masked_tokens,
        }
