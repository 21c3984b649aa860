"""Prints, as JSON, how far the sparse head of each architecture of PyTorch alone is from the dense head, and
where it begins.

Runs in a process of its own. Architectures that the installed version of transformers lacks are left out.
"""

from __future__ import annotations

import json
from typing import Any

from mlm_core import load_engine

load_engine("torch")

import torch  # noqa: E402 - load_engine sets what transformers reads on import
from transformers import MODEL_FOR_MASKED_LM_MAPPING  # noqa: E402

from mlm_core.batches.masking import IGNORED  # noqa: E402
from mlm_torch.head import SparseHead  # noqa: E402
from mlm_torch.model import build_model  # noqa: E402

ARCHITECTURES = (
    "big_bird", "data2vec-text", "ernie", "eurobert", "fnet", "ibert", "luke", "megatron-bert", "modernbert",
    "mra", "nomic_bert", "nystromformer", "perceiver", "roc_bert", "squeezebert", "xlm-roberta-xl", "yoso",
)  # fmt: skip

TINY: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16,
    "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64, "embedding_size": 32,
    "initializer_range": 0.1, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1,
    "sep_token_id": 2, "entity_vocab_size": 10, "entity_emb_size": 16, "d_model": 32, "d_latents": 32,
    "num_latents": 8, "num_blocks": 1, "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
    "num_cross_attention_heads": 2, "q_groups": 2, "k_groups": 2, "v_groups": 2, "post_attention_groups": 1,
    "intermediate_groups": 2, "output_groups": 2, "pronunciation_vocab_size": 60, "shape_vocab_size": 60,
}  # fmt: skip


def tiny(kind: type) -> Any:
    """A model of an architecture, and its drawn weights."""
    config = kind()
    for name, value in TINY.items():
        if hasattr(config, name):
            setattr(config, name, value)
    torch.manual_seed(0)
    return build_model(config, config.model_type).eval()


def micro_batches() -> list[dict[str, torch.Tensor]]:
    """Two batches; each row has other positions, unused slots among them, and the last is a padding row."""
    made = []
    for shift in (0, 1):
        ids = torch.randint(3, 60, (4, 16))
        positions = torch.tensor([[1, 4, 9], [0, 7, 14], [2, 13, 0], [0, 0, 0]])
        positions[:3, :2] += shift
        labels = ids.gather(1, positions)
        labels[2, 2] = labels[3] = IGNORED
        made.append({"input_ids": ids, "masked_positions": positions, "labels": labels})
    return made


def outcome(kind: type) -> dict[str, Any]:
    """How far logits and gradients are from the dense head's, and where the sparse head begins."""
    model, batches = tiny(kind), micro_batches()

    def computed() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        logits = []
        for batch in batches:
            output = model(**batch)
            output.loss.backward()
            logits.append(output.logits.detach())
        found = {name: parameter.grad for name, parameter in model.named_parameters()}
        return torch.stack(logits), {name: grad.clone() for name, grad in found.items() if grad is not None}

    def differences() -> dict[str, float]:
        sparse, of_sparse = computed()
        assert sparse.shape == logits.shape and gradients.keys() == of_sparse.keys()
        apart = [(gradients[name] - of_sparse[name]).abs().max() for name in gradients]
        return {"logits": float((logits - sparse).abs().max()), "gradients": float(max(apart))}

    logits, gradients = computed()
    model.sparse_head = SparseHead.of(model, batches[0])
    found = differences() | {"place": type(model.sparse_head.place).__name__}
    if found["place"] == "PreNorm":
        found |= {"mlp": positions_of_mlp(model, batches[0])}
        model.compile(fullgraph=True, dynamic=False, backend="eager")
        found |= {"compiled": differences()}
    return found


def positions_of_mlp(model: Any, batch: dict[str, torch.Tensor]) -> list[list[int]]:
    """Rows and positions that the feed-forward modules of all layers receive."""
    shapes: list[list[int]] = []
    hooks = [
        layer.mlp.register_forward_pre_hook(
            lambda module, arguments: shapes.append(list(arguments[0].shape[:2]))
        )
        for layer in model.base_model.layers
    ]
    model(**batch)
    for hook in hooks:
        hook.remove()
    return shapes


known = {kind.model_type: kind for kind in MODEL_FOR_MASKED_LM_MAPPING}
print(json.dumps({name: outcome(known[name]) for name in ARCHITECTURES if name in known}))
