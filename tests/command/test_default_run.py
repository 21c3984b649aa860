"""`mlm train` without arguments: the starter learns the language reference."""

import json
import re
from collections import Counter
from itertools import chain, islice
from pathlib import Path

import pytest
from command_line import ENGINES, mlm
from transformers import AutoTokenizer

from mlm_core.cli.train import show
from mlm_core.data.embedded_corpus import REFERENCE, language_reference

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "index.md")
BLANKS = Path(__file__).parents[1] / "data" / "blanks.jsonl"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The results of each engine's run."""
    directory = tmp_path_factory.mktemp("runs")
    words = ["train", "--json", "--backend"]
    return {backend: mlm(*words, backend, "--output-dir", directory / backend) for backend in ENGINES}


@pytest.fixture(scope="module")
def blanks():
    return [json.loads(line) for line in BLANKS.read_text(encoding="utf-8").splitlines()]


def found(model, backend, blanks, tmp_path):
    """The number of answers among the five most likely tokens."""
    (tmp_path / "texts").write_text("\n".join(blank["text"] for blank in blanks), encoding="utf-8")
    words = ["--file", tmp_path / "texts", "--top-k", "5", "--backend", backend, "--json"]
    results = mlm("fill", model, *words)[0]["results"]
    guesses = [[fill["token_str"].strip() for fill in fills] for fills in results]
    return sum(blank["answer"] in guess for blank, guess in zip(blanks, guesses, strict=True))


@pytest.mark.parametrize("backend", ENGINES)
def test_what_it_says(runs, backend):
    results, said = runs[backend]
    assert f"starter on {REFERENCE}" in said
    facts = json.loads((Path(results["run_dir"]) / "run.json").read_text(encoding="utf-8"))
    assert facts["data"]["fingerprint"] in said
    assert results["perplexity"] < 0.8 * results["perplexity_before"]
    example = results["example"]
    assert "<mask>" in example["text"]
    assert {"exist", "found"} & {fill["token_str"].strip() for fill in example["fills"]}


def test_the_pages_show_what_is_printed(runs, capsys):
    # On a busy machine it takes minutes.
    pace = {"training_seconds": 19.0, "tokens_per_second": 11900.0}
    assert all(runs["torch"][0][name] > 0 for name in pace)
    show(runs["torch"][0] | {"run_dir": "runs/torch"} | pace)
    printed = without_values(capsys.readouterr().out)
    for page in PAGES:
        shown = page.read_text(encoding="utf-8").split("fills a blank:\n\n```\n")[1].split("```")[0]
        assert without_values(shown) == printed


def without_values(text):
    """Without numbers and answers: the text is that of the version of Python."""
    return re.sub(r"'\w+' N", "W N", re.sub(r"\d[\d.,]*", "N", text))


@pytest.mark.parametrize("backend", ENGINES)
def test_blanks_are_filled(runs, backend, blanks, tmp_path):
    """Half of the answers, and twice as many as without the text."""
    run = runs[backend][0]["run_dir"]
    tokenizer = AutoTokenizer.from_pretrained(run)
    tokens = Counter(chain.from_iterable(map(tokenizer.tokenize, language_reference())))
    words = (token.removeprefix("Ġ") for token, _ in tokens.most_common() if token.startswith("Ġ"))
    common = list(islice(filter(str.isalpha, words), 5))
    guessed = sum(blank["answer"] in common for blank in blanks)
    right = found(run, backend, blanks, tmp_path)
    assert right >= len(blanks) / 2
    assert right >= 2 * guessed


def test_both_engines_learn_the_same(runs):
    """The starter has no dropout."""
    torch, tf = (runs[backend][0] for backend in ENGINES)
    for name in ("perplexity_before", "perplexity"):
        assert torch[name] == pytest.approx(tf[name], rel=1e-3)
