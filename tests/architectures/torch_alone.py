"""Prints, as JSON, how far the sparse head of each architecture of PyTorch alone is from the dense head.

Runs in a process of its own. Architectures that the installed version of transformers lacks are left out.
"""

from __future__ import annotations

import json
from typing import Any

from mlm_core import load_engine

load_engine("torch")

import torch  # noqa: E402 - load_engine sets what transformers reads on import
from transformers import MODEL_FOR_MASKED_LM_MAPPING  # noqa: E402

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


def apart(kind: type) -> dict[str, float]:
    """The largest differences of logits and of gradients."""
    config = kind()
    for name, value in TINY.items():
        if hasattr(config, name):
            setattr(config, name, value)
    torch.manual_seed(0)
    model = build_model(config, config.model_type).eval()
    ids = torch.randint(3, 60, (2, 16))
    positions = torch.tensor([[1, 4, 9], [0, 7, 15]])
    batch = {"input_ids": ids, "masked_positions": positions, "labels": ids.gather(1, positions)}

    def computed() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        output = model(**batch)
        output.loss.backward()
        found = {name: parameter.grad for name, parameter in model.named_parameters()}
        return output.logits.detach(), {
            name: grad.clone() for name, grad in found.items() if grad is not None
        }

    logits, gradients = computed()
    model.sparse_head = SparseHead.of(model, batch)
    sparse, of_sparse = computed()
    assert sparse.shape == logits.shape and gradients.keys() == of_sparse.keys()
    differences = [(gradients[name] - of_sparse[name]).abs().max() for name in gradients]
    return {"logits": float((logits - sparse).abs().max()), "gradients": float(max(differences))}


known = {kind.model_type: kind for kind in MODEL_FOR_MASKED_LM_MAPPING}
print(json.dumps({name: apart(known[name]) for name in ARCHITECTURES if name in known}))
