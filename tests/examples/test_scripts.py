"""The scripts in examples/ run, and what they print is right."""

import csv
import json
import re
import runpy

import numpy as np
import pytest
from command_line import ENGINES
from example_programs import EXAMPLES


def perplexities(printed):
    """The perplexities before and after training."""
    ((before, after),) = re.findall(r"^perplexity ([\d.]+) -> ([\d.]+)$", printed, flags=re.MULTILINE)
    return float(before), float(after)


def steps(run):
    """The losses and the digests of a run's steps."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(line["loss"], line["batch_digest"]) for line in lines if "loss" in line]


@pytest.fixture(params=ENGINES)
def backend(request):
    return request.param


def test_continued_pretraining_makes_embeddings(programs, place, backend):
    done = programs.outcome(f"continue_pretraining-{backend}")
    assert done.code == 0, done.said
    before, after = perplexities(done.printed)
    assert after < before
    vectors = np.load(place / f"continued-{backend}" / "embeddings.npy")
    with (EXAMPLES / "data" / "questions.csv").open(encoding="utf-8") as file:
        topics = np.array([row["topic"] for row in csv.DictReader(file)])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5) and len(vectors) == len(topics)
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    share = (topics[cosines.argmax(1)] == topics).mean()
    # By chance, one in six.
    assert share > 1 / 3


def test_both_engines_make_the_same_embeddings(programs, place):
    for backend in ENGINES:
        assert programs.outcome(f"continue_pretraining-{backend}").code == 0
    torch, tf = (np.load(place / f"continued-{backend}" / "embeddings.npy") for backend in ENGINES)
    # The starter has no dropout.
    assert torch == pytest.approx(tf, abs=1e-2)


def test_a_language_is_learned_from_its_text_alone(programs, place, backend):
    done = programs.outcome(f"own_language-{backend}")
    assert done.code == 0, done.said
    # How often each word occurs is not enough for this: it gives 24.
    before, after = perplexities(done.printed)
    assert after < 20 < before / 10
    assert re.search(r"^right forms in 100 new stories: \d+%$", done.printed, re.MULTILINE)
    vocabulary = json.loads((place / f"own-{backend}" / "vocab.json").read_text(encoding="utf-8"))
    words = runpy.run_path(str(EXAMPLES / "own_language.py"))
    verbs = {stem + ending for stem in words["VERBS"] for ending in words["TIMES"]}
    assert {f"Ġ{word}" for word in [*words["NOUNS"], *verbs]} <= set(vocabulary)


def test_a_run_goes_from_engine_to_engine(programs, place):
    done = programs.outcome("hand_over")
    assert done.code == 0, done.said
    stages = re.findall(
        r"^epoch (\d), (\w+) +perplexity ([\d.]+) after (\d+) steps$", done.printed, re.MULTILINE
    )
    assert [(epoch, name) for epoch, name, _, _ in stages] == [("1", "torch"), ("2", "tf"), ("3", "torch")]
    first, second, third = (float(perplexity) for _, _, perplexity, _ in stages)
    assert third < second < first
    (apart,) = re.findall(r"([\d.e-]+) apart at most", done.printed)
    assert float(apart) < 1e-4


def test_a_run_that_was_handed_over_is_that_of_one_engine(programs, place):
    for name in ("hand_over", "whole"):
        assert programs.outcome(name).code == 0
    handed, whole = steps(place / "handed"), steps(place / "whole")
    assert [digest for _, digest in handed] == [digest for _, digest in whole]
    assert [loss for loss, _ in handed] == pytest.approx([loss for loss, _ in whole], rel=1e-4)
    alone = json.loads(programs.outcome("whole").printed)
    assert f"perplexity {alone['perplexity']:.2f}" in programs.outcome("hand_over").printed


def test_a_slower_commit_is_found(programs, place):
    done = programs.outcome("two_commits")
    assert done.code == 1, done.said
    assert "does not meet --fail-below 0.9" in done.printed
    before, after = (
        json.loads((place / "commits" / name / "report.json").read_text()) for name in ("before", "after")
    )
    for report in (before, after):
        (point,) = report["points"]
        assert {column["name"] for column in point["columns"]} == set(ENGINES)
    left = [path.name for path in (place / "repository" / ".git").glob("worktrees/*")]
    assert not left
