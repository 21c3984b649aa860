"""How fast batches reach the framework, masking included: this project's feed and the guide's collators.

    python benchmarks/feed.py [--rounds 5] [--output FILE]

Blocks of 128 tokens of the embedded corpus, batches of 16 and 256, one process, nothing trained; all variants
in turns (see rounds.py). Prints million tokens per second, median and spread over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from feed_worker import TOKENS
from inputs import write_inputs
from rounds import machine_facts, take_turns

VARIANTS = [
    f"{owner}:{framework}:{batch}"
    for framework in ("torch", "tf")
    for batch in (16, 256)
    for owner in ("guide", "mlm")
]


def report(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tokens per second, and how many times the guide's."""
    for name, facts in found.items():
        if "seconds" not in facts:
            continue
        rates = sorted(TOKENS[name.split(":")[0]] / seconds for seconds in facts["seconds"])
        facts |= {"tokens_per_second": statistics.median(rates), "spread": [rates[0], rates[-1]]}
        guide = found.get(name.replace("mlm:", "guide:"), {})
        if "seconds" in guide:
            pairs = zip(guide["seconds"], facts["seconds"], strict=True)
            more = TOKENS["mlm"] / TOKENS["guide"] if name.startswith("mlm") else 1.0
            facts["times_the_guide"] = more * statistics.median(theirs / ours for theirs, ours in pairs)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    side = [sys.executable, str(Path(__file__).with_name("feed_worker.py"))]
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch))
        commands = {name: [*side, name, scratch] for name in VARIANTS}
        found = report(take_turns(commands, given.rounds, 1, Path(scratch)))
    for name, facts in found.items():
        if "problem" in facts:
            print(f"{name:16} {facts['problem']}")
            continue
        low, high = (rate / 1e6 for rate in facts["spread"])
        rate, times = facts["tokens_per_second"] / 1e6, facts["times_the_guide"]
        print(f"{name:16} {rate:8.2f} M tokens/s ({low:.2f} to {high:.2f})  {times:.1f} times the guide")
    if given.output:
        facts = machine_facts(("torch", "tensorflow", "transformers", "datasets", "numpy"))
        given.output.write_text(
            json.dumps(facts | {"rounds": given.rounds, "variants": found}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
