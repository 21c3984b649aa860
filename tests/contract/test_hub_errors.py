"""Errors of the Hub: after each, the saved model, the repository and the message."""

import json
from pathlib import Path

import pytest
from hub_faults import FAULTS, LASTING, REFUSED, TRANSIENT
from hub_processes import no_token_in, python

HERE = Path(__file__).parent

_SLOWER = [*list(TRANSIENT)[::3], *LASTING, *REFUSED]
"""The core handles the faults: where each training takes seconds, a third of the transient ones suffices."""


@pytest.fixture(scope="module")
def outcomes(engine, lab, tmp_path_factory):
    """The outcome of every fault."""
    directory = tmp_path_factory.mktemp("faults")
    points = _SLOWER if engine.name == "tf" else list(FAULTS)
    model = lab.model("roberta", dropout=0.0)
    words = [HERE / "hub_worker.py", engine.name, model, lab.jsonl, directory, *points]
    printed, said = python(*words)
    no_token_in(directory)
    found = json.loads(printed)
    assert list(found["faults"]) == points
    return found["faults"], said, found["by_hand"]


def chosen(outcomes, kind):
    found = {name: outcome for name, outcome in outcomes[0].items() if name in kind}
    assert len(found) > 1
    return found


def test_faults_that_pass(outcomes):
    for name, outcome in chosen(outcomes, TRANSIENT).items():
        assert outcome["error"] is None and outcome["trained"] and outcome["arrived"], (name, outcome)
        # Published once, even if the answer to a commit was lost; the earlier version may have come too late.
        versions = outcome["messages"][1:-1]
        assert outcome["messages"][-1] == "Trained for 2 steps", (name, outcome)
        if TRANSIENT[name].waits and TRANSIENT[name].kind != 403:
            assert versions == ["Step 1 of 2"], (name, outcome)
        assert versions in ([], ["Step 1 of 2"]), (name, outcome)
        assert not versions or TRANSIENT[name].strategy == "checkpoint", (name, outcome)
        assert outcome["left"] == [], (name, outcome)


def test_faults_that_last(outcomes):
    for name, outcome in chosen(outcomes, LASTING).items():
        assert outcome["exit"] == 1 and outcome["trained"] and not outcome["arrived"], (name, outcome)
        assert outcome["retried"] and outcome["left"] == [], (name, outcome)
        assert "is trained and saved in" in outcome["said"], (name, outcome)
        overwritten = " --overwrite" in outcome["fix"]
        assert overwritten == (name == "moved_on"), (name, outcome)
        # The other user's commit is still there.
        assert outcome["notes"] == ("mine" if name == "moved_on" else "")


def test_what_is_refused_at_once(outcomes):
    for name, outcome in chosen(outcomes, REFUSED).items():
        assert outcome["exit"] == 2 and not outcome["trained"], (name, outcome)
        assert "messages" not in outcome and "Traceback" not in outcomes[1]


def test_published_by_hand(outcomes):
    """trainer.push_to_hub()"""
    by_hand = outcomes[2]
    addresses = [by_hand[name].rpartition(":")[2].partition("/")[2] for name in ("before", "after", "own")]
    assert addresses == ["org/before", "org/after", "me/by-hand"]
    # Before training the model is different.
    assert by_hand["arrived"] == [False, True, True] and by_hand["private"] == [True, False, True]
    assert "# before" in by_hand["card"] and '"org/before"' in by_hand["card"]


def test_training_goes_on_beside_failing_uploads(outcomes):
    assert "not published: Step 1 of 2" in outcomes[1]
    assert "mlm tries again when there is something to publish" in outcomes[1]
