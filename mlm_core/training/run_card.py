"""The model card of a run: collects the facts of its training for `mlm_core.hub.card`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlm_core.config.config import Config
from mlm_core.data.embedded_corpus import embedded_part
from mlm_core.data.sources import FROM_PYTHON
from mlm_core.hub.card import CardFacts, Row, write_card
from mlm_core.hub.model_files import CURVES
from mlm_core.metrics.sums import MaskedSums
from mlm_core.model.architectures import length_limit
from mlm_core.model.find_model import STARTER, is_hub_model
from mlm_core.report.metrics import Metrics, mean_loss
from mlm_core.report.run_charts import loss_svg
from mlm_core.system.files import write_atomically
from mlm_core.system.markdown import escaped
from mlm_core.training.example import card_example
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
    metrics: Metrics,
    name: str,
) -> None:
    """Write the card of a run's model.

    Args:
        path: the directory of the model: the run's or a copy.
        setup: of the run.
        step: of the weights.
        final: evaluation of the weights; None: they were not evaluated.
        versions: of packages.
        metrics: the course of the training.
        name: of the run.
    """
    config, steps = setup.config, setup.plan.steps
    base = setup.model.name if setup.model.weights is not None and is_hub_model(setup.model.name) else None
    text = setup.source.name if _on_hub(config, setup.source.name) else Path(setup.source.name).name
    done = f"{step:,} of {quantity(steps, 'step')}" if step < steps else quantity(steps, "step")
    public = _on_hub(config, setup.source.name)
    facts = CardFacts(
        name=(config.hub_model_id or name).rpartition("/")[2],
        summary=f"{_origin(setup, base)}, trained by `mlm` ({config.backend} engine) on "
        f"{quantity(len(setup.documents), 'document')} of {escaped(text)} for {done}.",
        mask=setup.model.tokenizer.mask_token,
        example=card_example(setup, public=public),
        base_model=base,
        dataset=_dataset(config) if public else None,
        text=text,
        final=final,
        rows=evaluation_rows(metrics),
        curves=_draw_curves(path / CURVES, metrics),
        options={name: getattr(config, name) for name in _OPTIONS},
        versions={name: versions[name] for name in _PACKAGES if name in versions},
        length=length_limit(setup.model.config),
    )
    write_card(path, facts)


def evaluation_rows(metrics: Metrics) -> list[Row]:
    """The course of a training: a row for each evaluation."""
    rows: list[Row] = []
    done = 0
    for line in metrics.held_out:
        first = done
        while done < len(metrics.steps) and metrics.steps[done].step <= line.step:
            done += 1
        since = metrics.steps[first:done]
        epoch = next((step.epoch for step in reversed(since) if step.epoch), rows[-1].epoch if rows else 0.0)
        rows.append(Row(line.step, epoch, mean_loss(since), line.loss, line.perplexity, line.accuracy))
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


def _draw_curves(place: Path, metrics: Metrics) -> bool:
    """Write the picture of the loss; whether it is there: the card is whole without it, too."""
    # A fault in the drawing never fails a run that is trained.
    with suppress(Exception):
        picture = loss_svg(metrics)
        if picture is not None:
            write_atomically(place, picture.encode())
            return True
    return False


def _dataset(config: Config) -> dict[str, str | None]:
    return {
        "name": config.dataset,
        "config": config.dataset_config,
        "split": config.split,
        "revision": config.dataset_revision,
    }
