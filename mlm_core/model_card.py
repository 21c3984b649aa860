"""The README of a run directory."""

from __future__ import annotations

from pathlib import Path

from mlm_core.job import TrainingJob
from mlm_core.results import TrainingResult
from mlm_core.weight_files import write_atomically

_CARD = """---
library_name: transformers
pipeline_tag: fill-mask
tags: [mlm]
---

# Masked language model

{model}, trained by `mlm` ({backend} engine) on {documents:,} documents for {steps:,} steps{best}.

| | before | after |
|---|---|---|
| perplexity of held-out masked tokens | {before:.4g} | {after:.4g} |

It opens in PyTorch with `AutoModelForMaskedLM.from_pretrained(DIRECTORY)` and in TensorFlow with
`mlm_tf.from_pretrained(DIRECTORY)`.
"""


def write_card(path: Path, job: TrainingJob, result: TrainingResult) -> None:
    """Write the model card."""
    card = _CARD.format(
        model=_origin(job),
        backend=result.backend,
        documents=len(job.documents),
        steps=result.steps,
        best=f", its weights those of step {result.model_step:,}" if result.model_step < result.steps else "",
        before=result.before.perplexity,
        after=result.after.perplexity,
    )
    write_atomically(path / "README.md", card.encode())


def _origin(job: TrainingJob) -> str:
    name = job.model.name
    if job.model.weights is None:
        return f"A {job.model.config.model_type} model trained from scratch"
    # A card may be published: of a path on this machine it shows the last part only.
    return f"Fine-tuned from `{Path(name).resolve().name if Path(name).exists() else name}`"
