"""How fast masked batches reach the framework: this project's feed and the collators of the Hugging Face
recipe.

    python benchmarks/feed.py [--rounds 5] [--output FILE]

Blocks of 128 tokens of the embedded corpus, batches of 16 and 256, one process, nothing trained; all variants
in interleaved rounds (see rounds.py). Prints million tokens per second, median and spread over rounds.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from feed_worker import TOKENS
from figures import add_rates, benchmark_parser, machine_facts, write_results
from inputs import write_inputs
from rounds import run_variants

VARIANTS = [
    f"{owner}:{framework}:{batch}"
    for framework in ("torch", "tf")
    for batch in (16, 256)
    for owner in ("guide", "mlm")
]


PACKAGES = ("torch", "tensorflow", "transformers", "datasets", "numpy")


def main() -> None:
    """Measure and print."""
    given = benchmark_parser(__doc__).parse_args()
    worker = [sys.executable, str(Path(__file__).with_name("feed_worker.py"))]
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch))
        commands = {name: [*worker, name, scratch] for name in VARIANTS}
        found = run_variants(commands, given.rounds, 1, Path(scratch))
    add_rates(
        found,
        "tokens",
        lambda name: TOKENS[name.split(":")[0]],
        lambda name: name.replace("mlm:", "guide:"),
    )
    for name, facts in found.items():
        if "problem" in facts:
            print(f"{name:16} {facts['problem']}")
            continue
        low, high = (rate / 1e6 for rate in facts["spread"])
        rate, times = facts["tokens_per_second"] / 1e6, facts.get("times_the_guide", float("nan"))
        print(f"{name:16} {rate:8.2f} M tokens/s ({low:.2f} to {high:.2f})  {times:.1f} times the recipe")
    write_results(given.output, machine_facts(PACKAGES) | {"rounds": given.rounds, "variants": found})


if __name__ == "__main__":
    main()
