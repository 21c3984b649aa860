"""The README of a model directory: metadata as the Hub reads it, results, how it was made, how to use it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlm_core.hub.model_files import CARD, PLACEHOLDER
from mlm_core.metrics.sums import MaskedSums
from mlm_core.system.files import write_atomically
from mlm_core.system.markdown import table

_USE = """## Use

In PyTorch:

```python
from transformers import pipeline

fill = pipeline("fill-mask", "{where}")
fill("{example}")
```

In TensorFlow, with `mlm`, which reads the same file:

```python
import mlm_tf

model = mlm_tf.from_pretrained("{where}")
```

Or without a line of code: `mlm fill {where} "{example}"`.
"""

_LIMITS = """## Limits

It predicts hidden words from the words around them, and repeats what its text says, prejudices included; it
is no source of facts.{length} Perplexity is over masked tokens, so that it cannot be compared with that of
models that read from left to right, nor of models with another tokenizer.
"""


GUIDE_EXAMPLE = "The Milky Way is a <mask> galaxy."


@dataclass(frozen=True)
class Row:
    """A line of the table of the training: an evaluation, and what came before it.

    Attributes:
        step, epoch: when.
        train_loss: mean over the steps since the evaluation before; None: there were none.
        held_out_loss, perplexity, accuracy: of the evaluation; None: not known, or not finite.
    """

    step: int
    epoch: float
    train_loss: float | None
    held_out_loss: float | None
    perplexity: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        name: of the model.
        summary: a sentence.
        mask: the tokenizer's word for a blank.
        where: what it is loaded by; where it is published, its repository takes the placeholder's place.
        example: a sentence with `<mask>` for the blank.
        base_model: on the Hub; None: none that others could load.
        dataset: on the Hub, as name, configuration, split and revision; None: no such.
        text: what the text is called.
        final: the evaluation of the weights that are published.
        rows: how the training went, an evaluation a row.
        options, versions: as in `run.json`.
        length: the most tokens that the model takes; None: no limit.
        more: metadata besides, as `license` or `tags`.
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
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def model_card(facts: CardFacts) -> str:
    """The card, in Markdown with metadata in front."""
    example = facts.example.replace("<mask>", facts.mask)
    length = f" It takes {facts.length:,} tokens at most." if facts.length is not None else ""
    parts = [
        f"---\n{_metadata(facts)}\n---",
        f"# {facts.name}",
        facts.summary,
        *_results(facts),
        *_made(facts),
        _USE.format(where=facts.where, example=example).strip(),
        _LIMITS.format(length=length).strip(),
    ]
    return "\n\n".join(parts) + "\n"


def write_card(path: Path, facts: CardFacts) -> None:
    """Write the card of the model in a directory."""
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
            # Of what is not on the Hub the name alone says which text it is.
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
    lines = ["## Training", _table(header, rows)]
    if facts.final is not None and math.isfinite(facts.final.mean_loss):
        lines.append(
            f"Held-out perplexity of masked tokens is {facts.final.perplexity:.4g}, accuracy "
            f"{facts.final.accuracy:.1%} ({facts.final.masked_tokens:,} tokens, masked once and for all)."
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
