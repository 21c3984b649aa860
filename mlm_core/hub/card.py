"""The README of a model directory (its model card): metadata for the Hub, results, options and usage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlm_core.hub.model_files import CARD, CURVES, PLACEHOLDER
from mlm_core.metrics.sums import MaskedSums
from mlm_core.system.files import write_atomically
from mlm_core.system.markdown import escaped, table
from mlm_core.visible import quantity

_USE = """## Use

In PyTorch:

```python
from transformers import pipeline

fill = pipeline("fill-mask", "{where}")
fill("{example}")
```

In TensorFlow, with `mlm`, which reads the same weights:

```python
import mlm_tf

model = mlm_tf.from_pretrained("{where}")
```

On the command line: `mlm fill {where} "{example}"`.
"""

_LIMITS = """## Limits

The model predicts masked words from the words around them. It repeats what its training text says, including
prejudices, and is not a source of facts.{length} Perplexity is computed over masked tokens: it cannot be
compared with the perplexity of left-to-right models, or of models with another tokenizer.
"""

GUIDE_EXAMPLE = "The Milky Way is a <mask> galaxy."


@dataclass(frozen=True)
class Row:
    """A row of the training table: an evaluation, and the steps before it.

    Attributes:
        step, epoch: at the evaluation.
        train_loss: mean over the steps since the previous evaluation; None: there were no steps.
        held_out_loss, perplexity, accuracy: of the evaluation; None: unknown or not finite.
    """

    step: int
    epoch: float
    train_loss: float | None
    held_out_loss: float | None
    perplexity: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class CardFacts:
    """The content of a card.

    Attributes:
        name: of the model.
        summary: a sentence about the model.
        mask: the tokenizer's mask token.
        where: the name that loads the model; publishing replaces the placeholder with the repository.
        example: a sentence with `<mask>` at the masked word.
        base_model: its name on the Hub; None: it is not on the Hub.
        dataset: name, configuration, split and revision on the Hub; None: it is not on the Hub.
        text: name of the text.
        final: evaluation of the published weights; None: they were not evaluated.
        rows: the training, a row for each evaluation.
        curves: whether the picture of the loss is beside the card.
        options, versions: see `run.json`.
        length: maximum number of tokens of the model's input; None: no limit.
        more: further metadata, for example `license` or `tags`.
    """

    name: str
    summary: str
    mask: str
    where: str = PLACEHOLDER
    example: str = GUIDE_EXAMPLE
    base_model: str | None = None
    dataset: Mapping[str, str | None] | None = None
    text: str = "text"
    final: MaskedSums | None = None
    rows: Sequence[Row] = ()
    curves: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def model_card(facts: CardFacts) -> str:
    """The card in Markdown, with its metadata at the top."""
    example = facts.example.replace("<mask>", facts.mask)
    length = f" Its input is at most {quantity(facts.length, 'token')}." if facts.length is not None else ""
    parts = [
        f"---\n{_metadata(facts)}\n---",
        f"# {escaped(facts.name)}",
        facts.summary,
        *_results(facts),
        *_made(facts),
        _USE.format(where=facts.where, example=example).strip(),
        _LIMITS.format(length=length).strip(),
    ]
    return "\n\n".join(parts) + "\n"


def write_card(path: Path, facts: CardFacts) -> None:
    """Write the card into a model directory."""
    write_atomically(path / CARD, model_card(facts).encode())


def _metadata(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    dataset = facts.dataset or {}
    scores = {"perplexity": facts.final.perplexity, "accuracy": facts.final.accuracy} if facts.final else {}
    known = {name: value for name, value in scores.items() if math.isfinite(value)}
    results = [
        EvalResult(
            task_type="fill-mask",
            task_name="Masked language modeling",
            # A text that is not on the Hub has only its name.
            dataset_type=dataset.get("name") or facts.text,
            dataset_name=dataset.get("name") or facts.text,
            dataset_config=dataset.get("config"),
            dataset_split=dataset.get("split"),
            dataset_revision=dataset.get("revision"),
            metric_type=name,
            metric_value=float(f"{value:.6g}"),
        )
        for name, value in known.items()
    ]
    own = {
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "base_model": facts.base_model,
        "datasets": [dataset["name"]] if dataset else None,
        "metrics": list(known) or None,
        "tags": ["mlm"],
        "model_name": facts.name,
        "eval_results": results or None,
    }
    return str(ModelCardData(**(own | dict(facts.more))).to_yaml())


def _results(facts: CardFacts) -> list[str]:
    if not facts.rows:
        return []
    header = ("step", "epoch", "training loss", "held-out loss", "perplexity", "accuracy")
    rows = [
        (
            f"{row.step:,}",
            f"{row.epoch:.3g}",
            *(_number(value) for value in (row.train_loss, row.held_out_loss, row.perplexity, row.accuracy)),
        )
        for row in facts.rows
    ]
    picture = [f"![Loss of training and held-out loss over the steps]({CURVES})"] if facts.curves else []
    lines = ["## Training", *picture, _table(header, rows)]
    if facts.final is not None and math.isfinite(facts.final.loss):
        lines.append(
            f"Held-out perplexity of masked tokens is {facts.final.perplexity:.4g}, accuracy "
            f"{facts.final.accuracy:.1%} ({quantity(facts.final.masked_tokens, 'token')}, with fixed masks)."
        )
    return lines


def _made(facts: CardFacts) -> list[str]:
    options = {name.replace("_", " "): value for name, value in facts.options.items() if value is not None}
    parts = []
    if options:
        parts.append(_table(("option", "value"), [(name, f"{value}") for name, value in options.items()]))
    if facts.versions:
        parts.append(", ".join(f"{name} {number}" for name, number in facts.versions.items()) + ".")
    return parts


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return table(header, rows, [" --- "] * len(header))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
