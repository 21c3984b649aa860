"""Masked-language models that take the slot format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import MODEL_FOR_MASKED_LM_MAPPING
from transformers.utils import ModelOutput
from transformers.utils import logging as transformers_logging

from mlm_core.batch import BatchWitness
from mlm_core.errors import RequestError
from mlm_core.masking import IGNORED


@dataclass
class SlotOutput(ModelOutput):
    """What the forward pass returns where there are masked positions or labels.

    Attributes:
        loss: scalar; `loss_sum` over `num_items_in_batch`, or over `masked_tokens` without it.
        logits: `[batch, slots, vocabulary]` float32; `[batch, length, vocabulary]` without positions.
        loss_sum: scalar float32, the sum of the token losses.
        correct: scalar, masked tokens whose most likely prediction is right.
        masked_tokens: scalar, labels that are not -100.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    loss_sum: torch.Tensor | None = None
    correct: torch.Tensor | None = None
    masked_tokens: torch.Tensor | None = None


class SlotForward(torch.nn.Module):
    """Adds the slot format to a transformers masked-LM class.

    Without `masked_positions` labels are `[batch, length]`, and without labels it is that class.
    """

    witness: BatchWitness | None = None

    def forward(  # noqa: D102
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        masked_positions: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        block_key: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> Any:
        inputs = kwargs | {"input_ids": input_ids, "attention_mask": attention_mask}
        if masked_positions is None and labels is None:
            return super().forward(**inputs)
        if self.witness is not None and self.training and block_key is not None:
            received = (input_ids, masked_positions, labels, block_key)
            self.witness.receive(*(tensor.cpu().numpy() for tensor in received if tensor is not None))
        logits = super().forward(**inputs, return_dict=True).logits
        if masked_positions is not None:
            logits = gather_slots(logits, masked_positions)
        logits = logits.float()
        return SlotOutput(logits=logits) if labels is None else _with_sums(logits, labels, num_items_in_batch)


def gather_slots(hidden: torch.Tensor, masked_positions: torch.Tensor) -> torch.Tensor:
    """Rows `[batch, slots, width]` of `[batch, length, width]` at `[batch, slots]` positions."""
    batch, length, width = hidden.shape
    starts = torch.arange(batch, device=hidden.device)[:, None] * length
    rows = hidden.reshape(batch * length, width).index_select(0, (starts + masked_positions).flatten())
    return rows.reshape(batch, -1, width)


def _with_sums(logits: torch.Tensor, labels: torch.Tensor, divisor: torch.Tensor | int | None) -> SlotOutput:
    flat, wanted = logits.flatten(0, 1), labels.flatten()
    known = wanted != IGNORED
    loss_sum = cross_entropy(flat, wanted, ignore_index=IGNORED, reduction="sum")
    masked_tokens = known.sum()
    count = masked_tokens if divisor is None else torch.as_tensor(divisor)
    return SlotOutput(
        loss=loss_sum / count.clamp(min=1),
        logits=logits,
        loss_sum=loss_sum,
        correct=((flat.detach().argmax(-1) == wanted) & known).sum(),
        masked_tokens=masked_tokens,
    )


def build_model(config: Any, name: str) -> Any:
    """A model of a transformers config, its weights still to be assigned.

    Raises:
        RequestError: transformers has no masked-LM class for it in PyTorch.
    """
    transformers_logging.set_verbosity_error()
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise RequestError(
            f"a {config.model_type} model has no masked-LM head in PyTorch",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="choose a masked language model",
        )
    base = MODEL_FOR_MASKED_LM_MAPPING[type(config)]
    slot_class: Any = type(base.__name__, (SlotForward, base), {"__module__": base.__module__})
    return slot_class._from_config(config).float()


def select_device(wanted: str) -> torch.device:
    """The device for `--device`.

    Raises:
        RequestError: there is no GPU.
    """
    found = torch.cuda.is_available()
    if wanted == "gpu" and not found:
        raise RequestError(
            "PyTorch sees no GPU", code="no_device", option="--device", value=wanted, fix="use cpu"
        )
    return torch.device("cuda" if found and wanted != "cpu" else "cpu")
