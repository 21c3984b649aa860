"""Masked-language models that take the slot format."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import MODEL_FOR_MASKED_LM_MAPPING
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.utils import ModelOutput
from transformers.utils import logging as transformers_logging

from mlm_core.batches.masking import IGNORED
from mlm_core.batches.verifier import BatchVerifier
from mlm_core.errors import RequestError
from mlm_torch.head import SparseHead, gather_slots


@dataclass
class SlotOutput(ModelOutput):
    """What the forward pass returns where there are masked positions or labels.

    Attributes:
        loss: scalar; `loss_sum` over `num_items_in_batch`, or over `masked_tokens` without it.
        logits: `[batch, slots, vocabulary]` float32; `[batch, length, vocabulary]` without positions.
        loss_sum: scalar float32, the sum of the token losses.
        correct: scalar, masked tokens whose most likely prediction is right.
        masked_tokens: scalar, labels that are not -100.
        hidden_states, attentions: as from the class itself, where they are asked for.
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

    Without `masked_positions` labels are `[batch, length]`, and without labels it is that class.
    """

    verifier: BatchVerifier | None = None
    sparse_head: SparseHead | None = None
    precision: torch.dtype = torch.float32

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
        if masked_positions is None and labels is None:
            return super().forward(input_ids, **inputs)
        if self.verifier is not None and self.training and block_key is not None:
            received = (input_ids, masked_positions, labels, block_key)
            self.verifier.receive(*(tensor.cpu().numpy() for tensor in received if tensor is not None))
        sparse = self.sparse_head if masked_positions is not None else None
        with sparse.at(masked_positions) if sparse is not None else nullcontext(), self._products():
            output = super().forward(input_ids, **(inputs | {"return_dict": True}))
        logits = output.logits
        if masked_positions is not None and sparse is None:
            logits = gather_slots(logits, masked_positions)
        logits = logits.float()
        sums = {} if labels is None else _sums(logits, labels, num_items_in_batch)
        extras = {"hidden_states": output.hidden_states, "attentions": output.attentions}
        return SlotOutput(logits=logits, **sums, **extras)

    def _products(self) -> torch.autocast:
        """While inside, matrix products are of the model's precision; the weights stay as they are."""
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


PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def build_model(config: Any, name: str, precision: str = "float32", code: Path | None = None) -> Any:
    """A model of a transformers config, its weights, float32, still to be assigned.

    Args:
        config: of transformers.
        name: what the user calls it.
        precision: of its matrix products.
        code: the directory of code that comes with the model and may run.

    Raises:
        RequestError: transformers has no masked-LM class for it in PyTorch.
    """
    transformers_logging.set_verbosity_error()
    base = _masked_lm_class(config, code)
    if base is None:
        raise RequestError(
            f"a {config.model_type} model has no masked-LM head in PyTorch",
            code="unsupported_model",
            option="--model",
            value=name,
            fix="choose a masked language model",
        )
    slot_class: Any = type(base.__name__, (SlotForward, base), {"__module__": base.__module__})
    model = slot_class(config).float()
    model.precision = PRECISIONS[precision]
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            # It would keep the padding token's row from being trained, which TensorFlow does not do. Only a
            # config that takes a word for padding tells the two apart: padding itself has no gradient.
            module.padding_idx = None
    return model


def _masked_lm_class(config: Any, code: Path | None) -> Any:
    """The class for a config: transformers', or the one that comes with the model; None: there is none."""
    own = (getattr(config, "auto_map", None) or {}).get("AutoModelForMaskedLM")
    if code is not None and own is not None:
        return get_class_from_dynamic_module(own, str(code), local_files_only=True)
    return MODEL_FOR_MASKED_LM_MAPPING.get(type(config), None)


def add_up_lookups(model: Any) -> None:
    """Where words are tied to the output matrix, have the gradients of both added up in place."""
    words = model.get_input_embeddings()
    output = getattr(model.get_output_embeddings(), "weight", None)
    plain = type(words) is torch.nn.Embedding and words.max_norm is None and not words.scale_grad_by_freq
    if plain and output is words.weight:
        words.__class__ = _TiedWords


class _TiedWords(torch.nn.Embedding):
    """A word table that is the output matrix, too.

    The gradient of the rows that were looked up is added to the head's, which is of all rows, where that
    is: autograd would spread them over as large a matrix of zeros first, or copy the head's.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(input)
        return _Lookup.apply(torch.empty(0, requires_grad=True), input, self)


class _Lookup(torch.autograd.Function):
    """Rows of a table, for whose gradient `anchor` has autograd come here."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, ids: torch.Tensor, table: torch.nn.Embedding) -> torch.Tensor:
        ctx.ids, ctx.table = ids, table
        return torch.nn.functional.embedding(ids, table.weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, None]:
        weight = ctx.table.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, ctx.ids.flatten(), gradients[0].flatten(0, -2))
        return None, None, None
