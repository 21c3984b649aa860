"""Speed and memory of evaluations at DistilRoBERTa's shape: this project and the recipe of Hugging Face.

    python benchmarks/evaluation.py [--rounds 5] [--output FILE] [--blocks 64] [--groups torch tf]
        [--variants NAME ...] [--memory 64 512]

6 layers of 768, vocabulary 50265, blocks of 128 tokens in batches of 16, weights from the config, forward
passes only. The variants of a group work in interleaved rounds (see rounds.py); a unit of work is one whole
evaluation of `--blocks` blocks. Prints blocks and masked tokens per second, median and spread over rounds,
and how many times the speed of the recipe in the same framework that is.

Then memory: a process of its own for each variant and each number of blocks in `--memory` (none: skip this)
evaluates once; prints the most that it held at any time. That must not grow with the text.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from figures import Found, add_rates, benchmark_parser, cells, machine_facts, write_results
from inputs import write_inputs
from rounds import run_variants

from mlm_core.system.markdown import table

WORKER = [sys.executable, str(Path(__file__).with_name("evaluation_worker.py"))]
GROUPS = {
    framework: [
        f"guide:{framework}:float32", f"guide:{framework}:bf16",
        *(f"mlm:{framework}:{precision}:{head}" for precision in ("float32", "bf16")
          for head in ("dense", "sparse")),
    ]
    for framework in ("torch", "tf")
}  # fmt: skip
"""Variants whose rounds are interleaved; all at once would not fit into memory."""

PACKAGES = ("torch", "tensorflow", "tf-keras", "transformers", "accelerate", "datasets", "numpy")


def speed(group: list[str], blocks: int, rounds: int, scratch: Path) -> Found:
    """Evaluations of a group of variants, in interleaved rounds."""
    commands = {name: [*WORKER, name, str(blocks), str(scratch)] for name in group}
    found = run_variants(commands, rounds, 1, scratch)
    add_rates(found, "blocks", lambda _: blocks, lambda name: f"guide:{name.split(':')[1]}:float32")
    for facts in found.values():
        if "blocks_per_second" in facts:
            masked_tokens = facts["masked_tokens"] / blocks
            facts["masked_tokens_per_second"] = facts["blocks_per_second"] * masked_tokens
    return found


def memory(variants: list[str], sizes: list[int], scratch: Path) -> dict[str, Any]:
    """The most MB that each variant held, by number of blocks; each number in a process of its own."""
    found: dict[str, Any] = {}
    for name in variants:
        peaks: dict[str, Any] = {}
        for blocks in sizes:
            command = [*WORKER, name, str(blocks), str(scratch)]
            outcome = run_variants({name: command}, 0, 1, scratch)[name]
            peaks[str(blocks)] = outcome.get("peak_mb", outcome.get("problem"))
        found[name] = peaks
    return found


def speed_table(found: Found) -> str:
    """Speeds as Markdown."""
    rows = []
    for name, facts in found.items():
        masked = f"{facts['masked_tokens_per_second']:,.0f}" if "masked_tokens_per_second" in facts else ""
        loss = f"{facts['loss']:.3f}" if "loss" in facts else ""
        rows.append([*cells(name, facts, "blocks", 2), masked, loss])
    return table(("variant", "blocks/s", "spread", "times the recipe", "masked tokens/s", "loss"), rows)


def memory_table(found: dict[str, Any], sizes: list[int]) -> str:
    """Peaks as Markdown."""
    rows = []
    for name, peaks in found.items():
        values = [peaks[str(blocks)] for blocks in sizes]
        known = all(isinstance(value, float) for value in values)
        grown = f"{values[-1] - values[0]:+,.0f} MB" if known else ""
        shown = [f"{value:,.0f} MB" if isinstance(value, float) else str(value)[:60] for value in values]
        rows.append([name, *shown, grown])
    return table(("variant", *(f"{blocks} blocks" for blocks in sizes), "growth"), rows)


def main() -> None:
    """Measure and print."""
    parser = benchmark_parser(__doc__, rounds="0: memory only")
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--variants", nargs="+", help="only these")
    parser.add_argument("--memory", type=int, nargs="*", default=[64, 512])
    given = parser.parse_args()
    found: Found = {}
    wanted = {
        group: [name for name in GROUPS[group] if name in (given.variants or GROUPS[group])]
        for group in given.groups
    }
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch))
        if given.rounds:
            for group in wanted.values():
                found |= speed(group, given.blocks, given.rounds, Path(scratch))
            print(speed_table(found), end="\n\n")
        peaks = memory([name for group in wanted.values() for name in group], given.memory, Path(scratch))
    if given.memory:
        print(memory_table(peaks, given.memory))
    facts = machine_facts(PACKAGES) | {"rounds": given.rounds, "blocks": given.blocks}
    write_results(given.output, facts | {"variants": found, "peak_mb_by_blocks": peaks})


if __name__ == "__main__":
    main()
