"""The masked-LM head on the masked positions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from mlm_core.sparse_head import MaskedPass


class SparseHead(MaskedPass):
    """Hands a model's head the hidden states of the masked positions only.

    The head begins with the first module outside the encoder that is called once the encoder has returned.
    """

    def __init__(self, entry: torch.nn.Module) -> None:
        entry.register_forward_pre_hook(self._gather)

    @classmethod
    def of(cls, model: Any, batch: Mapping[str, torch.Tensor]) -> Self:
        """The head of a model, found by a forward pass on a batch.

        Raises:
            ValueError: nothing comes after the encoder.
        """
        entry = _entry(model, batch)
        if entry is None:
            raise ValueError("no head was found behind its encoder")
        return cls(entry)

    def _gather(self, entry: torch.nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self.positions is None:
            return None
        return gather_slots(arguments[0], self.positions), *arguments[1:]


def gather_slots(hidden: torch.Tensor, masked_positions: torch.Tensor) -> torch.Tensor:
    """Rows `[batch, slots, width]` of `[batch, length, width]` at `[batch, slots]` positions."""
    batch, length, width = hidden.shape
    starts = torch.arange(batch, device=hidden.device)[:, None] * length
    rows = hidden.reshape(batch * length, width).index_select(0, (starts + masked_positions).flatten())
    return rows.reshape(batch, -1, width)


def _entry(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.nn.Module | None:
    encoder = model.base_model
    outside = set(model.modules()) - set(encoder.modules()) - {model}
    called: list[torch.nn.Module] = []
    returned: list[bool] = []
    hooks = [encoder.register_forward_hook(lambda *_: returned.append(True))]
    hooks += [
        module.register_forward_pre_hook(lambda module, _: called.append(module) if returned else None)
        for module in outside
    ]
    try:
        with torch.no_grad():
            model.eval()(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    return called[0] if called else None
