"""Speed and memory of tokenising and grouping text: this project and the recipe of Hugging Face.

    python benchmarks/preparation.py [--rounds 5] [--output FILE] [--megabytes 20] [--processes 1 2]
        [--memory 10 100 1000] [--memory-of mlm]

Text in ELI5's schema, made of sentences of the embedded corpus; blocks of 128 tokens; a byte-level BPE
tokenizer of 6,000 tokens. All variants work in interleaved rounds (see rounds.py), without a cache: `group`
is from an opened dataset to blocks, `file` from a file on disk to blocks, with a split before. `--processes`
is `num_proc` of both. Prints tokens per second, median and spread over rounds, how many times the speed of
the recipe that is, and the numbers of tokens and blocks. Both must find the same tokens and begin with the
same blocks; the recipe drops the remainder after the last full block of each batch of 1,000 documents.

Then memory: `mlm prepare` as a whole process, on each number of MB of text in `--memory`; prints the most
that it and its children held at once (see memory.py). Exit code 1 if the two find other tokens or other first
blocks.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from figures import Found, add_rates, benchmark_parser, cells, machine_facts, write_results
from inputs import write_inputs, write_text
from memory import TreePeak, peak_of
from preparation_worker import COLUMN
from rounds import run_variants

from mlm_core.system.markdown import table

WORKER = [sys.executable, str(Path(__file__).with_name("preparation_worker.py"))]
PACKAGES = ("transformers", "tokenizers", "datasets", "pyarrow", "numpy")


def speed(processes: list[int], rounds: int, scratch: Path) -> Found:
    """This project and the recipe in both stages, in interleaved rounds."""
    names = [
        f"{owner}:{stage}:{count}"
        for stage in ("group", "file")
        for count in processes
        for owner in ("guide", "mlm")
    ]
    found = run_variants({name: [*WORKER, name, str(scratch)] for name in names}, rounds, 1, scratch)
    add_rates(
        found,
        "tokens",
        lambda name: float(found[name]["tokens"]),
        lambda name: name.replace("mlm:", "guide:"),
    )
    return found


def differences(found: Found) -> list[str]:
    """Where this project and the recipe have not done the same work."""
    lines = []
    for name, facts in found.items():
        recipe = found.get(name.replace("mlm:", "guide:"), {})
        if name.startswith("mlm") and "tokens" in facts and "tokens" in recipe:
            lines += [
                f"{name}: {key} {facts[key]}, the recipe {recipe[key]}"
                for key in ("tokens", "first")
                if facts[key] != recipe[key]
            ]
    return lines


def memory(owner: str, sizes: list[int], processes: list[int], scratch: Path) -> dict[str, Any]:
    """Peaks of memory by variant and MB of text, each of a whole process with its children."""
    found: dict[str, Any] = {f"{owner} with {count} processes": {} for count in processes}
    for megabytes in sizes:
        with tempfile.TemporaryDirectory(dir=scratch) as directory:
            (Path(directory) / "model").symlink_to(scratch / "model")
            write_text(Path(directory) / "text.jsonl", megabytes)
            for count, peaks in zip(processes, found.values(), strict=True):
                print(f"{owner} with {count} processes, {megabytes} MB", file=sys.stderr)
                peaks[str(megabytes)] = vars(_peak(owner, count, Path(directory)))
    return found


def _peak(owner: str, processes: int, directory: Path) -> TreePeak:
    # Each has a cache of its own; otherwise the second would find what the first has made.
    with tempfile.TemporaryDirectory(dir=directory) as cache:
        environment = os.environ | {"MLM_CACHE": cache, "TMPDIR": cache}
        if owner == "guide":
            return peak_of([*WORKER, f"guide:file:{processes}", str(directory)], environment)
        prepare = [sys.executable, "-m", "mlm_core", "prepare", "--dataset", str(directory / "text.jsonl")]
        prepare += ["--text-column", COLUMN, "--model", str(directory / "model"), "--from-scratch"]
        return peak_of([*prepare, "--num-proc", str(processes), "--quiet"], environment)


def speed_table(found: Found) -> str:
    """Speeds as Markdown."""
    rows = [
        [*cells(name, facts, "tokens", 0), f"{facts.get('tokens', 0):,}", f"{facts.get('blocks', 0):,}"]
        for name, facts in found.items()
    ]
    return table(("variant", "tokens/s", "spread", "times the recipe", "tokens", "blocks"), rows)


def memory_table(found: dict[str, Any]) -> str:
    """Peaks as Markdown."""
    rows = []
    for name, peaks in found.items():
        first = next(iter(peaks.values()))
        for megabytes, peak in peaks.items():
            grown = [f"{peak[key] - first[key]:+,.0f} MB" for key in ("total", "anonymous")]
            rows.append(
                [name, f"{megabytes} MB", f"{peak['total']:,.0f} MB", grown[0],
                 f"{peak['anonymous']:,.0f} MB", grown[1], f"{peak['seconds']:.0f} s"]
            )  # fmt: skip
    return table(("", "text", "peak", "growth", "without files' pages", "growth", "time"), rows)


def main() -> int:
    """Measure and print."""
    parser = benchmark_parser(__doc__, rounds="0: memory only")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--memory-of", nargs="+", choices=("mlm", "guide"), default=["mlm"])
    given = parser.parse_args()
    found: Found = {}
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch))
        if given.rounds:
            write_text(Path(scratch) / "text.jsonl", given.megabytes)
            found = speed(given.processes, given.rounds, Path(scratch))
            print(speed_table(found), end="\n\n")
        peaks: dict[str, Any] = {}
        for owner in given.memory_of if given.memory else []:
            peaks |= memory(owner, given.memory, given.processes, Path(scratch))
    if peaks:
        print(memory_table(peaks))
    wrong = differences(found)
    print(*wrong, sep="\n", file=sys.stderr)
    facts = machine_facts(PACKAGES) | {"rounds": given.rounds, "megabytes": given.megabytes}
    write_results(given.output, facts | {"variants": found, "peaks_by_megabytes": peaks})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
