"""Masked-language models in PyTorch: which class builds one, and what training changes in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import MODEL_FOR_MASKED_LM_MAPPING
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.utils import logging as transformers_logging

from mlm_core.errors import RequestError
from mlm_core.model.tied_names import bias_beside
from mlm_torch.attention import leave_masks_out
from mlm_torch.slots import slot_class
from mlm_torch.windows import use_windows

PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def build_model(config: Any, name: str, precision: str = "float32", code: Path | None = None) -> Any:
    """Build a slot model from a transformers config; its float32 weights are not assigned yet.

    Args:
        config: transformers' config.
        name: what the user calls the model.
        precision: of matrix products: "float32", "tf32", "bf16" or "fp16".
        code: directory of the model's own code, which may run; None: there is none, or it may not run.

    Raises:
        RequestError: transformers has no masked-LM class for the config in PyTorch.
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
    slotted: Any = slot_class(base)
    model = slotted(config).float()
    # On the object from the beginning: a compiled pass looks for it there.
    model.verifier = None
    model.precision = PRECISIONS[precision]
    for second, first in second_biases(model).items():
        # In transformers 5, two parameters if the output matrix is not tied; the first is never used there.
        owner, _, name = first.rpartition(".")
        setattr(model.get_submodule(owner), name, model.get_parameter(second))
    if config.model_type == "esm":
        _give_embeddings_the_mask(model.base_model)
    if hasattr(model.base_model, "_maybe_set_compile") and config.reference_compile is None:
        # ModernBERT in transformers 4.57 would compile parts of itself on a GPU; `--compile` decides that.
        model.base_model._maybe_set_compile = _leave_uncompiled
    leave_masks_out(model.base_model)
    use_windows(model.base_model)
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            # With it the padding token's row would not be trained; TensorFlow has no such rule. It matters
            # only if a config uses a word as padding: padding itself has no gradient.
            module.padding_idx = None
    return model


def _leave_uncompiled() -> None:
    pass


def _masked_lm_class(config: Any, code: Path | None) -> Any:
    """The class for a config: the model's own, else transformers'; None: there is none."""
    own = (getattr(config, "auto_map", None) or {}).get("AutoModelForMaskedLM")
    if code is not None and own is not None:
        return get_class_from_dynamic_module(own, str(code), local_files_only=True)
    return MODEL_FOR_MASKED_LM_MAPPING.get(type(config), None)


def second_biases(model: Any) -> dict[str, str]:
    """The second names of output biases, and the first: one parameter, or the class declares them as one."""
    declared = getattr(model, "_tied_weights_keys", None) or ()
    parameters = dict(model.named_parameters(remove_duplicate=False))
    pairs = {name: bias_beside(name) for name in parameters if name.endswith(".decoder.bias")}
    return {
        second: first
        for second, first in pairs.items()
        if first in parameters
        and (second in declared or first in declared or parameters[first] is parameters[second])
    }


def _give_embeddings_the_mask(encoder: Any) -> None:
    """Let ESM's embeddings know the padding, as in TensorFlow and in transformers 5; 4.57 does not tell them.

    With `token_dropout` they scale by the share of masked tokens among the tokens that are no padding.
    """

    class Encoder(type(encoder)):  # type: ignore[misc]
        def forward(
            self,
            input_ids: torch.Tensor | None = None,
            attention_mask: torch.Tensor | None = None,
            position_ids: torch.Tensor | None = None,
            inputs_embeds: torch.Tensor | None = None,
            **more: Any,
        ) -> Any:
            if inputs_embeds is None:
                inputs_embeds = self.embeddings(
                    input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids
                )
            return super().forward(
                attention_mask=attention_mask,
                position_ids=position_ids,
                inputs_embeds=inputs_embeds,
                **more,
            )

    encoder.__class__ = Encoder


def add_up_lookups(model: Any) -> None:
    """If the word table is also the output matrix, add the gradients of both uses in place."""
    words = model.get_input_embeddings()
    output = getattr(model.get_output_embeddings(), "weight", None)
    plain = type(words) is torch.nn.Embedding and words.max_norm is None and not words.scale_grad_by_freq
    if plain and output is words.weight:
        words.__class__ = _TiedWords


class _TiedWords(torch.nn.Embedding):
    """A word table that is also the output matrix.

    The head's gradient covers all rows; the gradient of the looked-up rows is added to it in place. Autograd
    would first expand those rows to a matrix of zeros of the same size, or copy the head's gradient.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(input)
        return _Lookup.apply(torch.empty(0, requires_grad=True), input, self)


class _Lookup(torch.autograd.Function):
    """Looks up rows of a table; `anchor` requires a gradient, so that autograd calls `backward`."""

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
