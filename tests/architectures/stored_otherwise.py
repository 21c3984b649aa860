"""Prints, as JSON, what becomes of models whose arrays transformers 5 renames and splits while loading.

Runs in a process of its own. Architectures that the installed version of transformers lacks are left out.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlm_core import load_engine

load_engine("torch")

import torch  # noqa: E402 - load_engine sets what transformers reads on import
from transformers import MODEL_FOR_MASKED_LM_MAPPING  # noqa: E402

from mlm_core.model.initialization import initial_weights  # noqa: E402
from mlm_core.model.weight_files import read_weights  # noqa: E402
from mlm_core.model.write_model import write_model  # noqa: E402
from mlm_torch.model import build_model  # noqa: E402
from mlm_torch.weights import assign, export, specs  # noqa: E402

ARCHITECTURES = ("gte", "jina_embeddings_v3", "nomic_bert")

TINY: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16,
    "intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 0, "initializer_range": 0.2,
}  # fmt: skip


def outcome(kind: type, place: Path) -> dict[str, Any]:
    """What is drawn or unused of a stock directory, and the differences of logits from the stock model's.

    `read`: of our model, read from the stock directory; `saved`: of the stock model, read from our directory.
    """
    config = kind()
    for name, value in TINY.items():
        if hasattr(config, name):
            setattr(config, name, value)
    torch.manual_seed(0)
    stock: Any = MODEL_FOR_MASKED_LM_MAPPING[kind](config).eval()
    stock.save_pretrained(place / "stock")
    model = build_model(config, config.model_type).eval()
    state = torch.get_rng_state()
    initial = initial_weights(specs(model), read_weights(place / "stock"), config, 1, config.model_type)
    assert torch.equal(state, torch.get_rng_state())
    assign(model, initial.weights)
    write_model(place / "ours", export(model), config, None, type(model).__name__)
    again = type(stock).from_pretrained(place / "ours").eval()
    ids = torch.randint(3, 60, (2, 16))
    positions = torch.arange(16).repeat(2, 1)
    with torch.no_grad():
        expected = stock(input_ids=ids).logits
        ours = model(input_ids=ids, masked_positions=positions, labels=ids).logits
        apart = {"read": ours.reshape(expected.shape) - expected}
        apart["saved"] = again(input_ids=ids).logits - expected
    differences = {name: float(difference.abs().max()) for name, difference in apart.items()}
    return {"drawn": initial.drawn, "unused": initial.unused, **differences}


known = {kind.model_type: kind for kind in MODEL_FOR_MASKED_LM_MAPPING}
found = {name: outcome(known[name], Path(sys.argv[1]) / name) for name in ARCHITECTURES if name in known}
print(json.dumps({"transformers": version("transformers"), "found": found}))
