"""A language of your own from scratch: the tokenizer and the model are learned from the text alone.

    python examples/own_language.py
    python examples/own_language.py --backend tf
    python examples/own_language.py --text posts.txt --fill "A sentence with a <mask>."

Without `--text`, the script invents a language with a past and a present. A story keeps to one of them: its
verbs end in -o in the past, in -a in the present. The model is then asked about stories that it has never
seen: a verb is hidden, and the right form must be likelier than the wrong one. Guessing is right half of the
time.
"""

import argparse
import random

from mlm_core import Run, train

TIMES = {"a": ["nau", "alu", "sempi"], "o": ["tomer", "gistra", "velda"]}
"""Words for the present and for the past, by the ending of the verbs."""
VERBS = ["luv", "ster", "komp", "dal", "frin", "mosk"]
NOUNS = ["mirak", "belun", "tosik", "garem", "soltu", "nedra", "fimek", "kurai"]
PLACES = ["ke harn", "ke solm", "ib nator", "ib velk"]


def main() -> None:
    """Train, then fill blanks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backend", default="torch", help="torch or tf")
    parser.add_argument("--text", help="your text, for example a .txt with one document per line")
    parser.add_argument("--fill", help="a text with <mask>, to be filled with the model")
    parser.add_argument("--epochs", type=int, default=4, help="passes over the text")
    parser.add_argument("--stories", type=int, default=1000, help="stories in the invented language")
    parser.add_argument("--output-dir", help="directory of the run; without it, a new one under runs/")
    parser.add_argument("--threads", type=int, help="processor threads; without it, one per core")
    given = parser.parse_args()

    draw = random.Random(1)
    run = train(
        given.text or [story(draw, sentences=12) for _ in range(given.stories)],
        backend=given.backend,
        from_scratch=True,
        epochs=given.epochs,
        # The text is small: many small steps suit it better than few large ones.
        batch_size=8,
        output_dir=given.output_dir,
        threads=given.threads,
    )
    print(f"perplexity {run.result.before.perplexity:.1f} -> {run.result.after.perplexity:.1f}")
    if given.fill:
        for fill in run.fill(given.fill):
            print(f"{fill['token_str']!r} {fill['score']:.3f}")
    if not given.text:
        print(f"right forms in 100 new stories: {share_of_right_forms(run, 100):.0%}")


def story(draw: random.Random, sentences: int) -> str:
    """A story, all in the present or all in the past."""
    ending = draw.choice(list(TIMES))
    told = [
        f"{draw.choice(TIMES[ending])} {draw.choice(NOUNS)} {verb}{ending} {draw.choice(PLACES)}."
        for verb in draw.choices(VERBS, k=sentences)
    ]
    return " ".join(told)


def share_of_right_forms(run: Run, count: int) -> float:
    """The share of new stories in which the right form of a hidden verb is likelier than the wrong one."""
    draw = random.Random(2)
    right = 0
    for _ in range(count):
        text = story(draw, sentences=4)
        verb = text.split()[2]
        forms = [f" {verb[:-1]}{ending}" for ending in TIMES]
        likeliest, _ = run.fill(text.replace(verb, "<mask>", 1), targets=forms)
        right += likeliest["token_str"].strip() == verb
    return right / count


if __name__ == "__main__":
    main()
