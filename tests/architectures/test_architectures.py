"""Every architecture that both frameworks have: the same training, and weights that either one opens."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from architectures import BACKENDS, LONG, SETTINGS
from outcomes import SECTION, collect, table

from mlm_core.parity.comparison import LOGITS
from mlm_core.parity.worker import read_side
from mlm_core.system.markdown import replace_section

README = Path(__file__).parents[2] / "README.md"

NOT_ENCODERS = {"bart", "mbart", "mvp"}
"""Encoder-decoders, which are refused."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("architectures")


@pytest.fixture(scope="module")
def outcomes(directory):
    return {outcome.name: outcome for outcome in collect(directory)}


@pytest.fixture(params=SETTINGS)
def outcome(request, outcomes):
    found = outcomes[request.param]
    assert not found.failures, found.failures[0]
    return found


def test_training_is_the_same(outcome):
    disagree = [finding for finding in outcome.comparison.findings if not finding.agrees]
    assert not disagree
    losses = next(finding for finding in outcome.comparison.findings if finding.name.startswith("losses"))
    assert losses.name == ("losses of 200 steps" if outcome.name in LONG else "losses of 12 steps")


def test_what_no_gradient_reaches_stays_as_it_was(outcome, directory):
    """ESM's contact head, LayoutLM's pooler ...: not decayed either."""
    for backend in BACKENDS:
        side = read_side(backend, directory / outcome.name / backend)
        for name, gradient in side.gradients.items():
            if not gradient.any():
                assert (side.end[name] == side.start[name]).all(), (backend, name)


def test_either_opens_what_the_other_trained(outcome):
    assert outcome.apart.keys() == set(product(BACKENDS, BACKENDS))
    assert max(outcome.apart.values()) <= LOGITS


def test_dropout_is_a_function_of_its_key(outcome):
    assert outcome.keyed == set(BACKENDS)


def test_the_head_is_computed_at_masked_positions_alone(outcome, directory):
    for backend in BACKENDS:
        facts = json.loads((directory / outcome.name / backend / "run" / "run.json").read_text())
        assert facts["mlm_head"] == "sparse", backend


def test_something_was_learned(outcome, directory):
    """Else agreement would say little."""
    lines = (directory / outcome.name / "tf" / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
    assert np.mean(losses[-4:]) < 0.98 * np.mean(losses[:4])


def test_none_that_both_have_is_left_out(outcomes, directory):
    torch, tf = (set(json.loads((directory / f"{name}.architectures").read_text())) for name in BACKENDS)
    assert set(SETTINGS) == (torch & tf) - NOT_ENCODERS


def test_the_readme_says_so(outcomes):
    readme = README.read_text(encoding="utf-8")
    assert replace_section(readme, SECTION, table(list(outcomes.values()))) == readme, (
        "run: PYTHONPATH=tests python tests/architectures/outcomes.py README.md"
    )
