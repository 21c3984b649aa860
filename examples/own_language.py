"""A language of your own from scratch: the tokenizer and the model are learned from the text alone.

    python examples/own_language.py
    python examples/own_language.py --backend tf
    python examples/own_language.py --text posts.txt --fill "A sentence with a <mask>."

Without `--text`, the script invents a language. Its nouns have two classes, and the verb at the end of a
sentence agrees with the noun: `mirak` takes a verb in -a, `soltu` one in -o. Nothing but the text tells which
noun is of which class. A model that has learned it finds the right form in sentences that it has never seen;
guessing is right half of the time.
"""

import argparse
import random

from mlm_core import Run, train

NOUNS = {
    "a": ["mirak", "belun", "tosik", "garem", "polin", "vesta", "dorim", "kelat"],
    "o": ["soltu", "nedra", "fimek", "kurai", "zapel", "hunir", "jolem", "rask"],
}
"""The nouns by the ending of their verbs."""
VERBS = ["luv", "ster", "komp", "dal", "frin", "mosk", "veld", "prat"]
QUALITIES = ["omni", "etru", "sild", "pava", "gron", "tilu", "bersk", "wend"]
PLACES = ["ke harn", "ke solm", "ke dur", "ib nator", "ib velk", "ib orsa"]
TIMES = ["nau", "tomer", "gistra", "alu", "sempi"]


def main() -> None:
    """Train, then fill blanks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backend", default="torch", help="torch or tf")
    parser.add_argument("--text", help="your text, for example a .txt with one document per line")
    parser.add_argument("--fill", help="a text with <mask>, to be filled with the model")
    parser.add_argument("--epochs", type=float, default=20, help="passes over the text")
    parser.add_argument("--output-dir", default="runs/own-language", help="directory of the run")
    given = parser.parse_args()

    run = train(
        given.text or documents(400),
        backend=given.backend,
        from_scratch=True,
        epochs=given.epochs,
        output_dir=given.output_dir,
    )
    print(f"perplexity {run.result.before.perplexity:.1f} -> {run.result.after.perplexity:.1f}")
    if given.fill:
        for fill in run.fill(given.fill):
            print(f"{fill['token_str']!r} {fill['score']:.3f}")
    if not given.text:
        print(f"right forms in 200 new sentences: {share_of_right_forms(run, 200):.0%}")


def sentence(draw: random.Random) -> tuple[str, str, str]:
    """A sentence without its verb, the stem of the verb, and the ending that is right."""
    ending = draw.choice(list(NOUNS))
    noun, quality, place = draw.choice(NOUNS[ending]), draw.choice(QUALITIES), draw.choice(PLACES)
    return f"{draw.choice(TIMES)} {noun} {quality} {place}", draw.choice(VERBS), ending


def documents(count: int) -> list[str]:
    """Documents of five sentences."""
    draw = random.Random(1)
    sentences = [sentence(draw) for _ in range(5 * count)]
    written = [f"{begin} {stem}{ending}." for begin, stem, ending in sentences]
    return [" ".join(written[start : start + 5]) for start in range(0, len(written), 5)]


def share_of_right_forms(run: Run, count: int) -> float:
    """The share of new sentences for which the likeliest word is a verb with the right ending."""
    draw = random.Random(2)
    asked = [sentence(draw) for _ in range(count)]
    filled = run.fill([f"{begin} <mask>." for begin, _, _ in asked], top_k=1)
    right = [
        fills[0]["token_str"].strip() in {stem + ending for stem in VERBS}
        for fills, (_, _, ending) in zip(filled, asked, strict=True)
    ]
    return sum(right) / count


if __name__ == "__main__":
    main()
