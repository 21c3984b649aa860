"""The documentation's tables of what ran on a GPU, from the newest facts.

    python benchmarks/gpu/table.py [DIRECTORY] [--write docs/speed.md]

Prints them; what no fact is about is "not run".
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contract import counts
from facts import Fact, read_facts
from first_runs import translated
from settings import ROOT
from shapes import SIZES

RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- gpu -->", "<!-- end of gpu -->"
NOT_RUN = "not run"

COLUMNS = ("16x128", "256x128", "1024x128", "bert", "modern")
STEPS = {
    "HF recipe, float32": ("recipe", "torch", "float32"),
    "HF recipe, TF32": ("recipe", "torch", "tf32"),
    "HF recipe, bf16": ("recipe", "torch", "bf16"),
    "`mlm`, float32": ("mlm", "torch", "float32"),
    "`mlm`, TF32": ("mlm", "torch", "tf32"),
    "`mlm`, bf16": ("mlm", "torch", "bf16"),
    "`mlm`, bf16, `--compile`": ("mlm", "torch", "bf16", "compile"),
    "bare step, bf16": ("bare", "torch", "bf16"),
    "- in a CUDA graph": ("bare", "torch", "bf16", "graph"),
    "- compiled": ("bare", "torch", "bf16", "compile"),
    "- compiled, in a CUDA graph": ("bare", "torch", "bf16", "compile", "graph"),
    "- vocabulary padded": ("bare", "torch", "bf16", "padded"),
    "- padded, cuDNN attention": ("bare", "torch", "bf16", "padded", "cudnn"),
    "- padded, compiled": ("bare", "torch", "bf16", "padded", "compile"),
    "- padded, compiled, in a CUDA graph": ("bare", "torch", "bf16", "padded", "compile", "graph"),
    "HF recipe, TensorFlow, float32": ("recipe", "tf", "float32"),
    "`mlm`, TensorFlow, float32": ("mlm", "tf", "float32"),
    "`mlm`, TensorFlow, bf16": ("mlm", "tf", "bf16"),
}
"""Rows: owner, engine, precision, options."""

DETAILS = {
    "tokens/s": ("step", "tokens_per_second", "{:,.0f}"),
    "MFU, arithmetic of the sparse head": ("step", "mfu_sparse", "{:.1%}"),
    "MFU, arithmetic of the dense head": ("step", "mfu_dense", "{:.1%}"),
    "memory of arrays, GB": ("step", "peak_gb", "{:.1f}"),
    "kernel launches": ("trace", "launches", "{:,.0f}"),
    "synchronisations": ("trace", "syncs", "{:.1f}"),
    "share of a step with the GPU at work": ("trace", "busy", "{:.0%}"),
}
"""Rows of `mlm` in bf16: kind of fact, value, and how it is written."""


class Found:
    """The facts of a directory; of two about the same, the later one.

    Args:
        directory: with `facts*.jsonl`; None: there is nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        facts = load(directory) if directory is not None else []
        self.facts = [fact for fact in facts if "problem" not in fact]
        self._failed = [fact for fact in facts if "problem" in fact]

    def one(self, kind: str, **values: Any) -> Fact | None:
        """The last fact of a kind that has these values."""
        return _last(self.facts, kind, values)

    def cell(self, kind: str, write: Callable[[Fact], str], **values: Any) -> str:
        """What such a fact says; else that it failed, or was not run."""
        fact = self.one(kind, **values)
        if fact is not None:
            return write(fact)
        failed = _last(self._failed, kind, values)
        return _problem(failed["problem"]) if failed is not None else NOT_RUN

    def step(self, size: str, row: Sequence[str]) -> dict[str, Any]:
        """The values that tell a variant from others."""
        owner, engine, precision, *options = row
        return {"owner": owner, "engine": engine, "precision": precision, "size": size, "options": options}


def load(directory: Path) -> list[Fact]:
    """The facts of a directory, those of the first runs in the form of now."""
    facts = [fact for path in sorted(directory.glob("facts*.jsonl")) for fact in read_facts(path)]
    if any(fact["fact"] == "run" for fact in facts):
        return facts
    printed = directory / "contract_torch.txt"
    contract = [{"fact": "contract", "engine": "torch", **counts(printed)}] if printed.exists() else []
    return [*translated(facts), *contract]


def newest(results: Path = RESULTS) -> Path | None:
    """The directory with the newest facts; those without a date are the oldest."""
    found = [path.parent for path in results.glob("gpu-*/facts.jsonl")]
    return max(found, key=lambda path: (_date(path), path.name), default=None)


def tables(directory: Path | None) -> str:
    """All tables of a directory's facts, as Markdown."""
    found = Found(directory)
    parts = (_caption(found), _correctness(found), _steps(found), _details(found), _card(found))
    return "\n\n".join(parts)


def with_tables(readme: str, directory: Path | None) -> str:
    """A page with its tables brought up to date."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(directory)}\n{END}{after}"


def _caption(found: Found) -> str:
    run, versions = found.one("run"), found.one("versions")
    if run is None or versions is None:
        return f"On a GPU: {NOT_RUN}."
    named = ", ".join(f"{name} {versions[name]}" for name in ("torch", "transformers") if versions.get(name))
    rounds = (
        f"medians of {run['rounds']} interleaved rounds"
        if "rounds" in run
        else "medians of 30 steps, each variant once and in a fixed order"
    )
    commit = str(run.get("commit") or "unknown")[:7]
    said = f"{run['card']}, {named}, commit {commit}; {rounds}, with the lowest and the highest:"
    return textwrap.fill(said, 110)


def _correctness(found: Found) -> str:
    def contract(fact: Fact) -> str:
        bad = f", {fact['failed']} failed" if fact["failed"] else ""
        return f"{fact['passed']} tests passed{bad}"

    def agreement(fact: Fact) -> str:
        same = "same batches" if fact["same_batches"] else "other batches"
        return f"losses {fact['losses_apart']:.1e} apart at most, {same}"

    def repeated(fact: Fact) -> str:
        return "same bytes" if fact["same_bytes"] else f"losses {fact['losses_apart']:.1e} apart at most"

    noises = [fact for fact in found.facts if fact["fact"] == "graph_noise"]
    keyed = "yes" if all(fact["same"] and fact["other"] for fact in noises) else "no"
    rows = [
        ["contract suite", *(found.cell("contract", contract, engine=name) for name in ("torch", "tf"))],
        ["30 steps in float32, against the CPU", found.cell("gpu_and_cpu_float32", agreement), NOT_RUN],
        ["two bf16 runs with dropout", found.cell("repeat_bf16_dropout", repeated), NOT_RUN],
        ["dropout in a CUDA graph follows the seed", keyed if noises else NOT_RUN, NOT_RUN],
    ]
    return markdown(["correctness on the GPU", "PyTorch", "TensorFlow"], rows)


def _steps(found: Found) -> str:
    def write(fact: Fact) -> str:
        spread = f" ({fact['low']:.1f} to {fact['high']:.1f})" if "low" in fact else ""
        return f"{fact['ms']:.1f}{spread}"

    rows = [
        [title, *(found.cell("step", write, **found.step(size, row)) for size in COLUMNS)]
        for title, row in STEPS.items()
    ]
    return markdown(["a step, ms", *(SIZES[size].title for size in COLUMNS)], rows)


def _details(found: Found) -> str:
    rows = [
        [title, *(_detail(found, size, kind, value, form) for size in COLUMNS)]
        for title, (kind, value, form) in DETAILS.items()
    ]
    return markdown(["a step of `mlm`, bf16", *(SIZES[size].title for size in COLUMNS)], rows)


def _detail(found: Found, size: str, kind: str, value: str, form: str) -> str:
    def write(fact: Fact) -> str:
        return form.format(fact[value]) if fact.get(value) is not None else NOT_RUN

    return found.cell(kind, write, **found.step(size, STEPS["`mlm`, bf16"]))


def _card(found: Found) -> str:
    def matmul(fact: Fact) -> str:
        return ", ".join(f"{value:,.0f}" for value in fact["tflops"]) + " TFLOP/s"

    def attention(fact: Fact) -> str:
        return f"{fact['both_ms']:.2f} ms"

    rows = [
        ["start of a kernel", found.cell("launch", lambda fact: f"{fact['us']:.1f} µs")],
        [
            "copy within memory, read and written",
            found.cell("copy", lambda fact: f"{fact['tb_per_second']:.1f} TB/s"),
        ],
    ]
    for shape in ([32768, 768, 3072], [5120, 768, 50265], [5120, 768, 50304]):
        title = f"bf16 products {' x '.join(map(str, shape))}: forward, two backward"
        rows.append([title, found.cell("matmul", matmul, shape=shape)])
    for name in ("FLASH", "CUDNN", "EFFICIENT"):
        values = {"backend": f"{name}_ATTENTION", "batch": 64, "block": 512, "dropout": 0.1}
        title = f"attention, 64 x 512, dropout, forward and backward: {name.lower()}"
        rows.append([title, found.cell("attention", attention, **values)])
    update = found.cell("update", lambda fact: f"{fact['ours_ms']:.2f} ms, {fact['torch_ms']:.2f} ms")
    rows.append(["norm, clipping and AdamW: `mlm`'s, PyTorch's", update])
    return markdown(["the card's own limits", "measured"], rows)


def _problem(problem: str) -> str:
    if "out of memory" in problem.lower() or "OutOfMemory" in problem:
        return "out of memory"
    return NOT_RUN if problem.startswith(("cut", "TensorFlow")) else "failed"


def _last(facts: Sequence[Fact], kind: str, values: dict[str, Any]) -> Fact | None:
    for fact in reversed(facts):
        if fact["fact"] == kind and all(fact.get(name) == value for name, value in values.items()):
            return fact
    return None


def _date(path: Path) -> str:
    dates = [fact.get("date", "") for fact in read_facts(path / "facts.jsonl") if fact["fact"] == "run"]
    return max(dates, default="")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def main() -> None:
    """Print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", help="with facts; default: the newest")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="bring its tables up to date")
    given = parser.parse_args()
    directory = given.directory or newest()
    if given.write is None:
        print(tables(directory))
    else:
        text = with_tables(given.write.read_text(encoding="utf-8"), directory)
        given.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
