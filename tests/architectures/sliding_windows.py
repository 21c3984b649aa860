"""Prints, as JSON, how ModernBERT's local layers compute their windows, and how far from transformers' class.

Runs in a process of its own.
"""

from __future__ import annotations

import json
from typing import Any

from mlm_core import load_engine

load_engine("torch")

import torch  # noqa: E402 - load_engine sets what transformers reads on import
from transformers import ModernBertConfig, ModernBertForMaskedLM  # noqa: E402

from mlm_torch.model import build_model  # noqa: E402

REACH = 4
attend = torch.nn.functional.scaled_dot_product_attention


def config(dropout: float = 0.0) -> ModernBertConfig:
    """A tiny model: one global layer, then two local ones, then a global one."""
    return ModernBertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=48,
        local_attention=2 * REACH, initializer_range=0.2, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        cls_token_id=1, sep_token_id=2, attention_dropout=dropout, reference_compile=False,
    )  # fmt: skip


def computed(model: Any, ids: torch.Tensor, **inputs: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits and all gradients."""
    model.zero_grad()
    logits = model(input_ids=ids, **inputs).logits
    (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
    found = {name: part.grad for name, part in model.named_parameters() if part.grad is not None}
    return logits.detach(), [found[name] for name in sorted(found)]


def keys_seen(model: Any, ids: torch.Tensor, **inputs: Any) -> list[int]:
    """How many keys each call of PyTorch's attention has, and whether it has a mask (negative)."""
    seen: list[int] = []

    def noted(query: Any, key: Any, *rest: Any, **options: Any) -> Any:
        seen.append(key.shape[2] * (-1 if options.get("attn_mask") is not None else 1))
        return attend(query, key, *rest, **options)

    places = [torch.nn.functional]
    import mlm_torch.windows

    mlm_torch.windows.scaled_dot_product_attention = noted
    places[0].scaled_dot_product_attention = noted
    try:
        model(input_ids=ids, **inputs)
    finally:
        mlm_torch.windows.scaled_dot_product_attention = attend
        places[0].scaled_dot_product_attention = attend
    return seen


def outcome(length: int, *, padded: bool = False, dropout: float = 0.0) -> dict[str, Any]:
    """One length of blocks."""
    torch.manual_seed(0)
    stock = ModernBertForMaskedLM._from_config(config(dropout), attn_implementation="sdpa").eval()
    ours = build_model(config(dropout), "test").eval()
    ours.load_state_dict(stock.state_dict())
    ids, inputs = torch.randint(3, 60, (3, length)), {}
    if padded:
        inputs["attention_mask"] = torch.ones(3, length, dtype=torch.long)
        inputs["attention_mask"][-1, -5:] = 0
    (wanted, gradients), (found, own) = computed(stock, ids, **inputs), computed(ours, ids, **inputs)
    apart = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(own, gradients, strict=True))
    return {
        "logits": float((found - wanted).abs().max()),
        "gradients": apart,
        "keys": keys_seen(ours, ids, **inputs),
        "stock keys": keys_seen(stock, ids, **inputs),
        "one graph": one_graph(ours, ids, inputs, found),
    }


def one_graph(model: Any, ids: torch.Tensor, inputs: dict[str, Any], wanted: torch.Tensor) -> float:
    """How far the logits are from those of the pass compiled in one graph."""
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend="eager")
    with torch.no_grad():
        return float((compiled(input_ids=ids, **inputs).logits - wanted).abs().max())


print(
    json.dumps(
        {
            "whole windows": outcome(8 * REACH),
            "other length": outcome(8 * REACH + 5),
            "many windows": outcome(32 * REACH),
            "many, other length": outcome(32 * REACH + 3),
            "short": outcome(8 * REACH - 1),
            "padded": outcome(8 * REACH, padded=True),
            "dropout": outcome(8 * REACH, dropout=0.1),
        }
    )
)
