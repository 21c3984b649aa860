"""A run that one engine begins and the other engine resumes."""

import signal

import pytest
from resumed_runs import Runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same uninterrupted run with each engine, without dropout: each framework draws its own noise."""
    torch = Runs("torch", tmp_path_factory.mktemp("runs"), dropout=0.0)
    views = {"torch": torch, "tf": torch.elsewhere("tf")}
    for name, view in views.items():
        view.finish(name)
    return views


def test_both_engines_train_the_same(runs):
    runs["torch"].assert_agree("torch", "tf")


@pytest.mark.parametrize(("first", "second"), [("torch", "tf"), ("tf", "torch")])
def test_the_other_engine_goes_on(runs, first, second):
    """Weights and moments handed over in the middle stay within the tolerance of two whole runs."""
    handed = f"{first}-{second}"
    runs[first].stop(handed, 30, signal.SIGTERM)
    _, said = runs[second].finish(handed, "--resume")
    assert f"--backend was {first}" in said
    runs[second].assert_agree(handed, first)
