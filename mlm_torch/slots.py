"""The slot format: logits and loss at the masked positions of a transformers class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers.utils import ModelOutput

from mlm_core.batches.masking import IGNORED
from mlm_core.batches.verifier import BatchVerifier
from mlm_torch.head import SparseHead, gather_slots


@dataclass
class SlotOutput(ModelOutput):
    """The output of the forward pass for inputs with masked positions or labels.

    Attributes:
        loss: scalar float32; `loss_sum` divided by `num_items_in_batch`, or by `masked_tokens` without it.
        logits: `[batch, slots, vocabulary]` float32; `[batch, length, vocabulary]` without positions.
        loss_sum: scalar float32, the sum of the token losses.
        correct: scalar int64, masked tokens whose most likely prediction is right.
        masked_tokens: scalar int64, labels that are not -100.
        hidden_states, attentions: those of the class itself, if requested.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    loss_sum: torch.Tensor | None = None
    correct: torch.Tensor | None = None
    masked_tokens: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class SlotForward(torch.nn.Module):
    """Adds the slot format to a transformers masked-LM class.

    Without `masked_positions`, labels are `[batch, length]`; without both, the class is unchanged.

    Attributes:
        verifier: records the batches received in training; None: nothing is recorded.
        sparse_head: computes logits only at the masked positions; None: at every position.
        precision: of matrix products.
        kept_gradients: those that a recorded pass adds to; empty: no pass is recorded.
    """

    verifier: BatchVerifier | None = None
    sparse_head: SparseHead | None = None
    precision: torch.dtype = torch.float32
    kept_gradients: Sequence[torch.Tensor] = ()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; those that a recorded pass adds to stay where they are, as zeros."""
        if self.kept_gradients:
            torch._foreach_zero_(list(self.kept_gradients))
        else:
            super().zero_grad(set_to_none)

    def forward(  # noqa: D102
        self,
        input_ids: torch.Tensor | None = None,
        *,
        masked_positions: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        block_key: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **inputs: Any,
    ) -> Any:
        if self.sparse_head is not None:
            self.sparse_head.positions = masked_positions
        if masked_positions is None and labels is None:
            return super().forward(input_ids, **inputs)
        if self.verifier is not None and self.training and block_key is not None:
            received = (input_ids, masked_positions, labels, block_key)
            self.verifier.receive(*(tensor.cpu().numpy() for tensor in received if tensor is not None))
        with self._autocast():
            output = super().forward(input_ids, **(inputs | {"return_dict": True}))
        logits = output.logits
        if masked_positions is not None and self.sparse_head is None:
            logits = gather_slots(logits, masked_positions)
        logits = logits.float()
        sums = {} if labels is None else _sums(logits, labels, num_items_in_batch)
        extras = {"hidden_states": output.hidden_states, "attentions": output.attentions}
        return SlotOutput(logits=logits, **sums, **extras)

    def _autocast(self) -> torch.autocast:
        """While inside, matrix products have the model's precision; the weights stay float32."""
        reduced = self.precision != torch.float32
        return torch.autocast(self.device.type, dtype=self.precision, enabled=reduced)


def _sums(
    logits: torch.Tensor, labels: torch.Tensor, divisor: torch.Tensor | int | None
) -> dict[str, torch.Tensor]:
    flat, wanted = logits.flatten(0, 1), labels.flatten()
    known = wanted != IGNORED
    loss_sum = cross_entropy(flat, wanted, ignore_index=IGNORED, reduction="sum")
    masked_tokens = known.sum()
    count = masked_tokens if divisor is None else torch.as_tensor(divisor)
    return {
        "loss": loss_sum / count.clamp(min=1),
        "loss_sum": loss_sum,
        "correct": ((flat.detach().argmax(-1) == wanted) & known).sum(),
        "masked_tokens": masked_tokens,
    }


def slot_class(base: type) -> type:
    """Derive a class with the slot format from a transformers masked-LM class, under the same name."""
    return type(base.__name__, (SlotForward, base), {"__module__": base.__module__})
