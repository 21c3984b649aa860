"""How fast blanks are filled at DistilRoBERTa's shape: this project and transformers' fill-mask pipeline.

    python benchmarks/fill.py [--rounds 5] [--output FILE] [--sentences 64] [--groups torch tf]

6 layers of 768, vocabulary 50265, weights drawn by a seed; sentences of 6 to 40 words with one blank each.
The variants of a framework work in interleaved rounds (see rounds.py); a unit of work is all sentences. `one`
is one sentence per call, `many` all in one call (the pipeline with `batch_size` as many). Prints sentences
per second, median and spread over rounds, and how many times the speed of the pipeline that is. Exit code 1
if the best scores differ by more than a thousandth, relative.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from figures import Found, add_rates, benchmark_parser, cells, machine_facts, write_results
from inputs import masked_sentences, write_inputs, write_weights
from rounds import run_variants

from mlm_core.system.markdown import table

WORKER = [sys.executable, str(Path(__file__).with_name("fill_worker.py"))]
PACKAGES = ("torch", "tensorflow", "tf-keras", "transformers", "tokenizers", "numpy")
TOLERANCE = 1e-3


def measure(framework: str, sentences: int, rounds: int, scratch: Path) -> Found:
    """The variants of a framework: one sentence per call, then all in one call."""
    found: Found = {}
    for how in ("one", "many"):
        names = [f"{owner}:{framework}:{how}" for owner in ("pipeline", "mlm")]
        found |= run_variants({name: [*WORKER, name, str(scratch)] for name in names}, rounds, 1, scratch)
    add_rates(found, "sentences", lambda _: sentences, lambda name: name.replace("mlm:", "pipeline:"))
    return found


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
    parser = benchmark_parser(__doc__)
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
    print(table(head, rows))
    print(f"\nlargest relative difference of the best scores: {largest:.1e}")
    facts = machine_facts(PACKAGES) | {"rounds": given.rounds, "sentences": given.sentences}
    outcome = {"variants": found, "largest_difference_of_scores": largest}
    write_results(given.output, facts | outcome)
    return 1 if largest > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
