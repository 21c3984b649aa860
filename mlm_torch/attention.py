"""Attention without a mask where nothing is padded."""

from __future__ import annotations

import sys
from typing import Any

import torch

_MAKER = "_prepare_4d_attention_mask_for_sdpa"
_STACKS = ("encoder", "transformer")
"""What the stack of layers is called within an encoder, to which the mask is passed."""
_MASKS = ("attention_mask", "attn_mask")


def leave_masks_out(encoder: Any) -> None:
    """Let an encoder's attention run without a mask in passes that are given none.

    transformers 4.57 makes a mask of ones for them. To see that it masks nothing, it waits for the GPU in
    every pass; compiled, it keeps the mask, which rules out flash attention. transformers 5 makes no mask.
    The hooks belong to this encoder: other models of the process are unchanged.
    """
    stack = next((part for name, part in encoder.named_children() if name in _STACKS), None)
    if stack is None or not _makes_masks(encoder):
        return
    hooks = _Unmasked(encoder.config)
    encoder.register_forward_pre_hook(hooks.enter_encoder, with_kwargs=True)
    stack.register_forward_pre_hook(hooks.enter_stack, with_kwargs=True)


def _makes_masks(encoder: Any) -> bool:
    """Whether an encoder makes a mask of its own for PyTorch's attention, and does without it as well."""
    module, config = type(encoder).__module__, encoder.config
    return (
        # A model's own code may do anything else with a mask.
        module.startswith("transformers.models.")
        and hasattr(sys.modules[module], _MAKER)
        and config._attn_implementation == "sdpa"
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not config.is_decoder
    )


class _Unmasked:
    """Hooks of an encoder and its stack of layers. They only set attributes, so that a pass is one graph."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._unmasked = False

    def enter_encoder(
        self, module: torch.nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Pass a mask of ones on the CPU, where seeing that it masks nothing takes no time."""
        ids = arguments[0] if arguments else options.get("input_ids")
        # Attention weights are not computed by PyTorch's attention; the other ways need their mask.
        attentions = options.get("output_attentions")
        attentions = self._config.output_attentions if attentions is None else attentions
        given = len(arguments) > 1 or any(
            options.get(name) is not None for name in ("attention_mask", "head_mask")
        )
        self._unmasked = not given and not attentions and ids is not None
        if ids is None or not self._unmasked:
            return None
        return arguments, options | {"attention_mask": torch.ones(ids.shape, device="cpu")}

    def enter_stack(
        self, module: torch.nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Leave the mask out that a compiled pass keeps; otherwise transformers leaves it out itself."""
        if not self._unmasked or not torch.compiler.is_compiling():
            return None
        names = [name for name in _MASKS if name in options]
        return (*arguments[:1], *(None for _ in arguments[1:2]), *arguments[2:]), options | dict.fromkeys(
            names
        )
