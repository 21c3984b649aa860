"""Sums over masked tokens; they become means only when they are shown, so each mean is one division."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlm_core.metrics.json_values import finite
from mlm_core.ranks.ranks import Ranks
from mlm_core.visible import quantity


@dataclass(frozen=True, repr=False)
class MaskedSums:
    """The loss and accuracy of a batch, of several batches or of an evaluation; `+` adds them up.

    Attributes:
        loss_sum: sum of the masked tokens' losses, in nats (natural logarithm).
        correct: tokens whose most likely prediction is right.
        masked_tokens: number of masked tokens.
    """

    loss_sum: float = 0.0
    correct: int = 0
    masked_tokens: int = 0

    def __add__(self, other: MaskedSums) -> MaskedSums:
        return MaskedSums(
            self.loss_sum + other.loss_sum,
            self.correct + other.correct,
            self.masked_tokens + other.masked_tokens,
        )

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: loss {self.loss:#.4g}, perplexity {self.perplexity:.4g}, "
            f"accuracy {self.accuracy:.4g}, {quantity(self.masked_tokens, 'masked token')}>"
        )

    def over(self, ranks: Ranks) -> MaskedSums:
        """The sums over all ranks, which each of them must ask for."""
        if ranks.count == 1:
            return self
        loss_sum, correct, masked_tokens = ranks.add_up([self.loss_sum, self.correct, self.masked_tokens])
        return MaskedSums(loss_sum, int(correct), int(masked_tokens))

    @property
    def loss(self) -> float:
        """Mean loss of the masked tokens, in nats; nan if no token is masked."""
        return self.loss_sum / self.masked_tokens if self.masked_tokens else math.nan

    @property
    def perplexity(self) -> float:
        """exp(loss); infinite where that overflows."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """Share of the masked tokens whose most likely prediction is right; nan if no token is masked."""
        return self.correct / self.masked_tokens if self.masked_tokens else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The means as plain JSON values, as `mlm evaluate --json` prints them; None: not finite."""
        return {
            "loss": finite(self.loss),
            "perplexity": finite(self.perplexity),
            "accuracy": finite(self.accuracy),
            "masked_tokens": self.masked_tokens,
        }
