"""Every architecture of both frameworks: the same training, and weights that either framework opens."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from architectures import BACKENDS, LONG, SETTINGS
from outcomes import SECTION, collect, table

from mlm_core.parity.comparison import LOGITS
from mlm_core.parity.worker import read_result
from mlm_core.system.markdown import replace_section

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"

NOT_ENCODERS = {"bart", "mbart", "mvp"}
"""Encoder-decoders, which are not supported."""


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


def test_parameters_without_a_gradient_do_not_change(outcome, directory):
    """For example ESM's contact head and LayoutLM's pooler: no weight decay either."""
    for backend in BACKENDS:
        side = read_result(backend, directory / outcome.name / backend)
        for name, gradient in side.gradients.items():
            if not gradient.any():
                assert (side.end[name] == side.start[name]).all(), (backend, name)


def test_each_engine_opens_what_the_other_trained(outcome):
    assert outcome.apart.keys() == set(product(BACKENDS, BACKENDS))
    assert max(outcome.apart.values()) <= LOGITS


def test_dropout_noise_depends_on_its_key_only(outcome):
    assert outcome.keyed == set(BACKENDS)


def test_the_head_is_sparse(outcome, directory):
    for backend in BACKENDS:
        facts = json.loads((directory / outcome.name / backend / "run" / "run.json").read_text())
        assert facts["mlm_head"] == "sparse", backend


def test_something_was_learned(outcome, directory):
    """Otherwise, agreement would prove little."""
    lines = (directory / outcome.name / "tf" / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
    assert np.mean(losses[-4:]) < 0.98 * np.mean(losses[:4])


def test_no_architecture_of_both_is_left_out(outcomes, directory):
    torch, tf = (set(json.loads((directory / f"{name}.architectures").read_text())) for name in BACKENDS)
    assert set(SETTINGS) == (torch & tf) - NOT_ENCODERS


def test_the_documentation_has_this_table(outcomes):
    written = PAGE.read_text(encoding="utf-8")
    assert replace_section(written, SECTION, table(list(outcomes.values()))) == written, (
        "run: PYTHONPATH=tests python tests/architectures/outcomes.py docs/parity.md"
    )
