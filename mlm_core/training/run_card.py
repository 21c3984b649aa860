"""The model card of a run: collects the facts of its training for `mlm_core.hub.card`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlm_core.config.config import Config
from mlm_core.data.embedded_corpus import embedded_part
from mlm_core.data.sources import FROM_PYTHON
from mlm_core.hub.card import GUIDE_EXAMPLE, CardFacts, Row, write_card
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.architectures import length_limit
from mlm_core.model.find_model import STARTER, is_hub_model
from mlm_core.system.json_files import BadJsonError, checked, read_json_lines
from mlm_core.system.markdown import escaped
from mlm_core.training.example import example_for
from mlm_core.training.setup import TrainingSetup
from mlm_core.visible import quantity

_OPTIONS = (
    "learning_rate", "lr_scheduler", "warmup_steps", "weight_decay", "max_grad_norm", "batch_size",
    "gradient_accumulation_steps", "block_size", "mlm_probability", "masking", "dropout", "precision", "seed",
)  # fmt: skip
"""The options of `run.json` that the card lists: those that affect the result."""

_PACKAGES = ("mlm", "transformers", "tokenizers", "datasets", "torch", "tensorflow", "python")


def write_run_card(
    path: Path,
    setup: TrainingSetup,
    step: int,
    final: MaskedSums | None,
    versions: Mapping[str, str],
    metrics: Path,
) -> None:
    """Write the card of a run's model.

    Args:
        path: the directory of the model: the run's or a copy.
        setup: of the run.
        step: of the weights.
        final: evaluation of the weights; None: they were not evaluated.
        versions: of packages.
        metrics: the run's `metrics.jsonl`.
    """
    config, steps = setup.config, setup.plan.steps
    base = setup.model.name if setup.model.weights is not None and is_hub_model(setup.model.name) else None
    text = setup.source.name if _on_hub(config, setup.source.name) else Path(setup.source.name).name
    done = f"{step:,} of {quantity(steps, 'step')}" if step < steps else quantity(steps, "step")
    example, public = example_for(setup), _on_hub(config, setup.source.name)
    facts = CardFacts(
        name=(config.hub_model_id or metrics.absolute().parent.name).rpartition("/")[2],
        summary=f"{_origin(setup, base)}, trained by `mlm` ({config.backend} engine) on "
        f"{quantity(len(setup.documents), 'document')} of {escaped(text)} for {done}.",
        mask=setup.model.tokenizer.mask_token,
        # A card may be published, so it quotes no text that is not public.
        example=example.text if public or not example.quoted else GUIDE_EXAMPLE,
        base_model=base,
        dataset=_dataset(config) if public else None,
        text=text,
        final=final,
        rows=read_rows(metrics),
        options={name: getattr(config, name) for name in _OPTIONS},
        versions={name: versions[name] for name in _PACKAGES if name in versions},
        length=length_limit(setup.model.config),
    )
    write_card(path, facts)


@dataclass(frozen=True)
class _Line:
    step: int
    loss: float | None = None
    epoch: float | None = None
    eval_loss: float | None = None
    eval_perplexity: float | None = None
    eval_accuracy: float | None = None
    eval_masked_tokens: int | None = None


def read_rows(metrics: Path) -> list[Row]:
    """The course of a training from its `metrics.jsonl`: a row for each evaluation."""
    rows: list[Row] = []
    losses: list[float | None] = []
    epoch = 0.0
    try:
        for content in read_json_lines(metrics):
            line = checked(content, _Line)
            if line.eval_masked_tokens is None:
                losses.append(line.loss)
                epoch = line.epoch or epoch
                continue
            known = [loss for loss in losses if loss is not None]
            # Divided first: a sum of what somebody has written there may be too large.
            mean = math.fsum(loss / len(known) for loss in known) if known else None
            rows.append(Row(line.step, epoch, mean, line.eval_loss, line.eval_perplexity, line.eval_accuracy))
            losses = []
    except (OSError, BadJsonError):
        # Somebody has changed the file while the run trained: the card shows what was read until there.
        return rows
    return rows


def _origin(setup: TrainingSetup, base: str | None) -> str:
    if setup.model.weights is None:
        return f"A {escaped(setup.model.config.model_type)} model trained from scratch"
    if setup.model.name == STARTER:
        return "Fine-tuned from the starter model of `mlm`"
    # A card may be published, so it shows only the last part of a local path.
    return f"Fine-tuned from {f'`{base}`' if base else escaped(Path(setup.model.name).resolve().name)}"


def _on_hub(config: Config, source: str) -> bool:
    local = embedded_part(config) is not None or source == FROM_PYTHON
    return not local and is_hub_model(source)


def _dataset(config: Config) -> dict[str, str | None]:
    return {
        "name": config.dataset,
        "config": config.dataset_config,
        "split": config.split,
        "revision": config.dataset_revision,
    }
