"""What a trained model leaves out of the model that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlm_core.model.settings_secrets import files_with_secrets

_SAME_TENSOR = ("decoder.weight", "decoder.bias", "vocab_projector.weight", "generator_lm_head.weight",
                "pred_layer.proj.weight")  # fmt: skip
"""Second names under which checkpoints store the word embeddings or the bias of the head."""

_SENTENCE_TRANSFORMERS = (
    "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "1_Pooling", "2_Dense",
    "2_Normalize", "3_Normalize",
)  # fmt: skip
_MOST = 4
"""Names of modules that are shown."""


def left_out(unused: Iterable[str], directory: Path | None) -> list[str]:
    """What of a model is neither trained nor saved, each as a line for the user.

    Args:
        unused: names of parameters in the checkpoint that the masked language model lacks.
        directory: of the model's files; None: it has none.
    """
    modules = sorted({name.rpartition(".")[0] or name for name in unused if not name.endswith(_SAME_TENSOR)})
    lines = []
    if modules:
        more = f" and {len(modules) - _MOST} more" if len(modules) > _MOST else ""
        lines.append(f"in the model, but neither trained nor saved: {', '.join(modules[:_MOST])}{more}")
    files = [name for name in _SENTENCE_TRANSFORMERS if directory is not None and (directory / name).exists()]
    if files:
        lines.append(
            f"files of sentence-transformers are not saved with the trained model: {', '.join(files)}; "
            "what is saved is a masked language model, to which a pooling is added again"
        )
    lines += [
        f"{name} of the model holds a token of the Hub, which is not saved with the trained model; whoever "
        "reads that model can use the token"
        for name in (files_with_secrets(directory) if directory is not None else ())
    ]
    return lines
