"""Two environments: this one with both engines, and one with only PyTorch and the newest packages.

    pytest tests/environments --other-python VENV/bin/python

Runs are handed from one to the other and back.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

sys.path += [str(Path(__file__).parents[1] / name) for name in ("architectures",)]

from architectures import SETTINGS
from outcomes import Worker, collect
from resumed_runs import Runs

from mlm_core.parity.comparison import LOGITS

FACTS = """
import json
from importlib.util import find_spec
from mlm_core.system.versions import core_versions
print(json.dumps({"versions": core_versions(), "tensorflow": find_spec("tensorflow") is not None}))
"""


@pytest.fixture(scope="module")
def other(request):
    return request.config.getoption("--other-python")


def facts(python):
    done = subprocess.run([python, "-c", FACTS], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_they_are_what_they_should_be(other):
    here, there = facts(sys.executable), facts(other)
    assert here["tensorflow"] and not there["tensorflow"]
    for package, change in (("transformers", 5), ("huggingface_hub", 1)):
        assert (
            Version(here["versions"][package]) < Version(str(change)) <= Version(there["versions"][package])
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory, other):
    """The same complete run by three engines; each view runs its engine on the shared directory."""
    here = Runs("tf", tmp_path_factory.mktemp("runs"), dropout=0.0)
    views = {"tf": here, "torch": here.elsewhere("torch")}
    views["newest"] = here.elsewhere("torch", other)
    for name, view in views.items():
        view.finish(name)
    return views


@pytest.mark.parametrize(
    ("first", "second"), [("tf", "newest"), ("newest", "tf"), ("torch", "newest"), ("newest", "torch")]
)
def test_a_run_begun_in_one_resumes_in_the_other(runs, first, second):
    name = f"{first}-{second}"
    runs[first].stop(name, 30, signal.SIGTERM)
    results, said = runs[second].finish(name, "--resume")
    assert "transformers was " in said
    assert results["steps"] == 60
    runs[second].assert_agree(name, first)


def test_a_finished_run_is_finished_there_too(runs):
    for run, view in (("tf", "newest"), ("newest", "tf")):
        _, said = runs[view].finish(run, "--resume")
        assert f"{runs[view].directory / run} has already finished" in said


def test_the_same_batches_learned_from_the_same_tokenizer(other, jsonl, tmp_path):
    """Without a model the tokenizer is trained as well, by another version of the library."""
    digests = []
    for backend, python in (("tf", sys.executable), ("torch", other)):
        words = ["-m", "mlm_core", "train", "--dataset", str(jsonl), "--max-steps", "2", "--device", "cpu"]
        words += ["--block-size", "16", "--output-dir", str(tmp_path / backend), "--backend", backend]
        # Separate caches: neither run may use the other's files.
        words += ["--test-size", "0.1", "--quiet"]
        subprocess.run([python, *words], check=True, env={"MLM_CACHE": str(tmp_path / f"{backend}-cache")})
        lines = (tmp_path / backend / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        digests.append([line["batch_digest"] for line in map(json.loads, lines) if "loss" in line])
    assert len(digests[0]) == 2 and digests[0] == digests[1]


def answer(view, *words):
    command = [view.python, "-m", "mlm_core", *words, "--json", "--backend", view.backend]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("run", ["tf", "newest"])
def test_either_evaluates_and_fills(runs, run):
    directory = str(runs[run].directory / run)
    one, two = (answer(runs[view], "evaluate", directory) for view in ("tf", "newest"))
    assert one["perplexity"] == pytest.approx(two["perplexity"], rel=1e-5)
    filled = [answer(runs[view], "fill", directory, "the <mask> sat.") for view in ("tf", "newest")]
    for mine, theirs in zip(*(results["results"][0] for results in filled), strict=True):
        assert mine["token"] == theirs["token"] and mine["sequence"] == theirs["sequence"]
        assert mine["score"] == pytest.approx(theirs["score"], abs=1e-5)


PADDING_LOST = {"funnel"}
"""From transformers 5 on (5.23) plain `from_pretrained` zeroes the padding token's row of its word table."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, other):
    """Every architecture, trained with PyTorch in both, and opened in both and in TensorFlow."""
    here, there = Worker("here", "torch"), Worker("there", "torch", other)
    found = collect(
        tmp_path_factory.mktemp("architectures"), (here, there), (here, there, Worker("tf", "tf"))
    )
    return {outcome.name: outcome for outcome in found}


@pytest.mark.parametrize("name", SETTINGS)
def test_architectures_are_the_same(outcomes, name):
    outcome = outcomes[name]
    assert not outcome.failures, outcome.failures[0]
    assert not [finding for finding in outcome.comparison.findings if not finding.agrees]
    apart = {
        pair: by for pair, by in outcome.apart.items() if name not in PADDING_LOST or "there" not in pair
    }
    assert ("here", "tf") in apart and max(apart.values()) <= LOGITS
    assert outcome.keyed == {"here", "there"}
