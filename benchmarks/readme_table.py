"""The README's table of speed, from the outcomes in `benchmarks/results`.

python benchmarks/readme_table.py README.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- speed -->", "<!-- end of speed -->"

NAMES = {
    "guide:torch:float32": "the guide's recipe, PyTorch",
    "guide:torch:bf16": "the same in bf16",
    "mlm:torch:float32:dense": "`mlm`, PyTorch, `--mlm-head dense`",
    "mlm:torch:float32:sparse": "`mlm`, PyTorch",
    "mlm:torch:bf16:sparse": "`mlm`, PyTorch, `--precision bf16`",
    "guide:tf:float32": "the guide's recipe, TensorFlow",
    "kerashub:float32": "KerasHub",
    "kerashub:bf16": "KerasHub in bf16",
    "mlm:tf:float32:dense": "`mlm`, TensorFlow, `--mlm-head dense`",
    "mlm:tf:float32:sparse": "`mlm`, TensorFlow",
    "mlm:tf:bf16:sparse": "`mlm`, TensorFlow, `--precision bf16`",
}


def table() -> str:
    """The table, and what it was measured on, as Markdown."""
    lines = ["| training step | tokens/s | spread | times the guide |", "|---|---|---|---|"]
    facts: dict[str, Any] = {}
    for framework in ("torch", "tf"):
        facts = json.loads((RESULTS / f"training_step_{framework}.json").read_text(encoding="utf-8"))
        for name, title in NAMES.items():
            row = facts["variants"].get(name, {})
            if "tokens_per_second" in row:
                low, high = row["spread"]
                lines.append(
                    f"| {title} | {row['tokens_per_second']:,.0f} | {low:,.0f} to {high:,.0f} "
                    f"| {row['times_the_guide']:.2f} |"
                )
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in ("torch", "tensorflow"))
    rounds, steps, cores = facts["rounds"], facts["steps_in_a_round"], facts["cores"]
    said = (
        f"Medians of {rounds} rounds of {steps} steps in turns, 16 blocks of 128 tokens, DistilRoBERTa's\n"
        f"shape; {cores} cores of a busy {facts['processor']}, {versions}\n"
        "(`benchmarks/training_step.py`)."
    )
    return "\n".join([*lines, "", said])


def with_table(readme: str) -> str:
    """A README with its table brought up to date."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
