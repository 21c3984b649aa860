"""Runs of an earlier commit open, evaluate and resume to the same weights, but for rounding.

A later version may add numbers up in another order, as another processor does.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import mlm

from mlm_core import Config
from mlm_core.data.store import open_store
from mlm_core.model.weight_files import read_weights
from mlm_core.training.run_facts import all_versions

EARLIER = Path(__file__).parents[1] / "data" / "earlier"
ROUNDING = 1e-6
"""Of weights and losses."""
STEPS_AFTER_CHECKPOINT, RATE = 12 - 7, 1e-3
"""Of the interrupted run: its options are in its run.json."""


@pytest.fixture
def earlier(tmp_path, engine, monkeypatch):
    """The files of the earlier commit, with the paths of this directory in them."""
    place = tmp_path / "earlier"
    shutil.copytree(EARLIER, place)
    for path in [*place.rglob("run.json"), *place.rglob("state.json")]:
        text = path.read_text(encoding="utf-8")
        moved = json.loads(text.replace('"/earlier/', f'"{place}/'))
        if path.name == "state.json":
            # It vouches for itself; where the files are is all that is another.
            del moved["digest"]
            moved["digest"] = hashlib.sha256(json.dumps(moved, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps(moved, indent=2), encoding="utf-8")
    monkeypatch.setenv("MLM_CACHE", str(tmp_path / "cache"))
    shutil.copytree(place / "stores", tmp_path / "cache" / "stores")
    return place


def lines(run):
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line | {"tokens_per_second": None} for line in found]


def test_an_interrupted_run_resumes_to_the_same_weights(engine, earlier):
    run, expected = earlier / engine.name / "interrupted", earlier / engine.name / "finished"
    versions = json.loads((run / "run.json").read_text(encoding="utf-8"))["versions"]
    found, said = mlm("train", "--output-dir", run, "--resume", "--device", "cpu", "--json")
    assert found["steps"] == 12 and "step 7" in said
    for line, other in zip(lines(run), lines(expected), strict=True):
        assert line.get("batch_digest") == other.get("batch_digest")
        for name in {"loss", "eval_loss", "grad_norm", "learning_rate"} & other.keys():
            assert line[name] == pytest.approx(other[name], rel=ROUNDING)
    weights, wanted = read_weights(run), read_weights(expected)
    assert weights.keys() == wanted.keys()
    for name in wanted:
        # A bias of the keys shifts all scores of a query alike: its gradient is 0 but for rounding. Adam
        # scales that up to whole steps. On another processor only their size bounds the difference.
        bound = 2 * STEPS_AFTER_CHECKPOINT * RATE if name.endswith("key.bias") else ROUNDING
        np.testing.assert_allclose(weights[name], wanted[name], rtol=0, atol=bound, err_msg=name)
    if versions == all_versions(engine):
        # What was prepared then has served: nothing was tokenised anew.
        assert {path.name for path in (earlier.parent / "cache" / "stores").iterdir()} == {
            path.name for path in (EARLIER / "stores").iterdir()
        }


def test_a_finished_run_evaluates_to_the_same_numbers(engine, earlier):
    run = earlier / engine.name / "finished"
    found, _ = mlm("evaluate", run, "--device", "cpu", "--threads", 2, "--json")
    wanted = json.loads((earlier / engine.name / "evaluation.json").read_text(encoding="utf-8"))
    assert found == pytest.approx(wanted, rel=ROUNDING)


def test_from_python_too_a_run_is_resumed_by_its_directory_alone(engine, earlier):
    run = earlier / engine.name / "finished"
    result = engine.trainer(Config(output_dir=str(run), resume=True, quiet=True)).train()
    assert (result.run_dir, result.steps) == (run, 12)


def test_prepared_stores_open(earlier):
    stores = sorted((earlier / "stores").iterdir())
    opened = [open_store(directory) for directory in stores]
    assert len(opened) == 2 and all(store is not None for store in opened)
    assert sum(store.facts.documents for store in opened) == 120
