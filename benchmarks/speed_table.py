"""The tables of speed in the documentation, made from the files in `benchmarks/results`.

python benchmarks/speed_table.py docs/speed.md     updates the tables
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from mlm_core.system.markdown import table, update_section

RESULTS = Path(__file__).parent / "results"
SECTION = "speed"
"""The section of the page that holds the tables."""

STEPS = {
    "guide:torch:float32": "the guide's recipe, PyTorch",
    "guide:torch:bf16": "the same in bf16",
    "mlm:torch:float32:dense": "`mlm`, PyTorch, `--mlm-head dense`",
    "mlm:torch:float32:sparse": "`mlm`, PyTorch",
    "mlm:torch:bf16:sparse": "`mlm`, PyTorch, `--precision bf16`",
    "guide:tf:float32": "the guide's recipe, TensorFlow",
    "mlm:tf:float32:dense": "`mlm`, TensorFlow, `--mlm-head dense`",
    "mlm:tf:float32:sparse": "`mlm`, TensorFlow",
    "mlm:tf:bf16:sparse": "`mlm`, TensorFlow, `--precision bf16`",
}

PEERS = {
    "kerashub:{}:tensorflow": "KerasHub on TensorFlow",
    "kerashub:{}:jax": "KerasHub on JAX",
    "kerashub:{}:torch": "KerasHub on PyTorch",
    "mlm:torch:{}:sparse": "`mlm`, PyTorch",
    "mlm:tf:{}:sparse": "`mlm`, TensorFlow",
}

OTHERS = {
    "evaluation": (
        "blocks",
        {
            "mlm:torch:float32:sparse": "evaluation, PyTorch",
            "mlm:torch:bf16:sparse": "the same in bf16",
            "mlm:tf:float32:sparse": "evaluation, TensorFlow",
            "mlm:tf:bf16:sparse": "the same in bf16",
        },
    ),
    "feed": (
        "tokens",
        {
            "mlm:torch:16": "masked batches of 16 into PyTorch",
            "mlm:torch:256": "of 256",
            "mlm:tf:16": "of 16 into TensorFlow",
            "mlm:tf:256": "of 256",
        },
    ),
    "preparation": (
        "tokens",
        {
            "mlm:group:1": "tokenising and grouping, one process",
            "mlm:group:2": "two processes",
        },
    ),
    "fill": (
        "sentences",
        {
            "mlm:torch:one": "blanks, one a call, PyTorch",
            "mlm:torch:many": "64 in one call",
            "mlm:tf:one": "one a call, TensorFlow",
            "mlm:tf:many": "64 in one call",
        },
    ),
}
"""By result file: the unit that its rates count, and the titles of the variants that the page shows."""


def tables() -> str:
    """The three tables, and what they were measured on, as Markdown."""
    return f"{_steps()}\n\n{_peers()}\n\n{_others()}"


def _steps() -> str:
    rows = []
    for framework in ("torch", "tf"):
        facts = _result(f"training_step_{framework}")
        rows += _rows(facts, STEPS, "tokens")
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in ("torch", "tensorflow"))
    text = (
        f"Medians of {facts['rounds']} rounds of {facts['steps_in_a_round']} steps in turns, 16 blocks of\n"
        f"128 tokens, DistilRoBERTa's shape; {facts['cores']} cores of an {facts['processor']}, {versions}\n"
        "(`benchmarks/training_step.py`). The limit is what the processor reaches in matrix products\n"
        "alone. The two halves of the table were measured an hour apart; these took turns, each precision\n"
        f"by itself, in {_result('training_step_peers')['rounds']} rounds:"
    )
    head = ("training step", "tokens/s", "spread", "times the guide", "of the limit")
    return f"{table(head, rows)}\n\n{text}"


def _peers() -> str:
    rows = []
    for precision, name in (("float32", "training_step_peers"), ("bf16", "training_step_peers-bf16")):
        found = _result(name)["variants"]
        rivals = [facts for variant, facts in found.items() if variant.startswith("kerashub")]
        best = min(rivals, key=lambda facts: statistics.median(facts["seconds"]))
        for variant, title in PEERS.items():
            facts = found[variant.format(precision)]
            low, high = facts["spread"]
            pairs = zip(best["seconds"], facts["seconds"], strict=True)
            times = statistics.median(theirs / ours for theirs, ours in pairs)
            rate = f"{facts['tokens_per_second']:,.0f}"
            rows.append([title, precision, rate, f"{low:,.0f} to {high:,.0f}", f"{times:.2f}"])
    return table(("training step", "precision", "tokens/s", "spread", "times the best KerasHub"), rows)


def _others() -> str:
    rows = []
    measured = [name for name in OTHERS if (RESULTS / f"{name}.json").exists()]
    for name in measured:
        unit, titles = OTHERS[name]
        rows += _rows(_result(name), titles, unit)
    programs = ", ".join(f"`benchmarks/{name}.py`" for name in measured)
    text = f"In blocks, tokens and sentences; blanks are compared with the fill-mask pipeline\n({programs})."
    return f"{table(('besides', 'a second', 'spread', 'times the guide'), rows)}\n\n{text}"


def _rows(facts: dict[str, Any], titles: dict[str, str], unit: str) -> list[list[str]]:
    rows = []
    for name, title in titles.items():
        row = facts["variants"].get(name, {})
        rate = row.get(f"{unit}_per_second")
        if rate is not None:
            rates = [f"{value:,.{0 if value >= 100 else 1}f}" for value in (rate, *row["spread"])]
            share = [f"{row['share_of_limit']:.0%}"] if "share_of_limit" in row else []
            rows.append(
                [title, rates[0], f"{rates[1]} to {rates[2]}", f"{row['times_the_guide']:.2f}", *share]
            )
    return rows


def _result(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    update_section(Path(sys.argv[1]), SECTION, tables())
