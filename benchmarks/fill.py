"""How fast blanks are filled at DistilRoBERTa's shape: this project and transformers' fill-mask pipeline.

    python benchmarks/fill.py [--rounds 5] [--output FILE] [--sentences 64] [--groups torch tf]

6 layers of 768, vocabulary 50265, weights drawn by a seed; sentences of 6 to 40 words with one blank each.
All variants of a framework in turns (see rounds.py), a unit of work being all sentences: `one` is a sentence a
call, `many` all in one call (the pipeline with `batch_size` as many). Prints sentences per second, median and
spread over rounds, and how many times the pipeline's that is. Exit code 1 where the best scores differ by
more than a thousandth of themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from figures import Found, add_rates, cells, markdown
from inputs import masked_sentences, write_inputs, write_weights
from rounds import machine_facts, take_turns

SIDE = [sys.executable, str(Path(__file__).with_name("fill_worker.py"))]
PACKAGES = ("torch", "tensorflow", "tf-keras", "transformers", "tokenizers", "numpy")
TOLERANCE = 1e-3


def measure(framework: str, sentences: int, rounds: int, scratch: Path) -> Found:
    """The variants of a framework in turns: a sentence a call, then all in one call."""
    found: Found = {}
    for how in ("one", "many"):
        names = [f"{owner}:{framework}:{how}" for owner in ("pipeline", "mlm")]
        found |= take_turns({name: [*SIDE, name, str(scratch)] for name in names}, rounds, 1, scratch)
    return add_rates(
        found, "sentences", lambda _: sentences, lambda name: name.replace("mlm:", "pipeline:")
    )  # fmt: skip


def difference(found: Found) -> float:
    """The largest relative difference of the best scores from the pipeline's."""
    largest = 0.0
    for name, facts in found.items():
        theirs = found[name.replace("mlm:", "pipeline:")]
        if "scores" in facts and "scores" in theirs:
            pairs = zip(facts["scores"], theirs["scores"], strict=True)
            largest = max(largest, *(abs(own - their) / their for own, their in pairs))
    return largest


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--groups", nargs="+", choices=("torch", "tf"), default=["torch", "tf"])
    given = parser.parse_args()
    found: Found = {}
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch))
        write_weights(Path(scratch), given.groups[0])
        sentences = masked_sentences(given.sentences)
        (Path(scratch) / "sentences.json").write_text(json.dumps(sentences), encoding="utf-8")
        for framework in given.groups:
            found |= measure(framework, given.sentences, given.rounds, Path(scratch))
    largest = difference(found)
    for facts in found.values():
        facts.pop("scores", None)
    head = ("variant", "sentences/s", "spread", "times the pipeline", "peak memory")
    rows = [
        [*cells(name, facts, "sentences"), f"{facts.get('peak_mb', 0):,.0f} MB"]
        for name, facts in found.items()
    ]
    print(markdown(head, rows))
    print(f"\nlargest relative difference of the best scores: {largest:.1e}")
    if given.output:
        facts = machine_facts(PACKAGES) | {"rounds": given.rounds, "sentences": given.sentences}
        outcome = {"variants": found, "largest_difference_of_scores": largest}
        given.output.write_text(json.dumps(facts | outcome, indent=2) + "\n")
    return 1 if largest > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
