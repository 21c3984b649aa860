"""Which options a resumed run takes from its record."""

import json
from pathlib import Path

import pytest

from mlm_core import Config, RequestError
from mlm_core.training.recorded_options import check_text_given, text_elsewhere, with_recorded
from mlm_core.training.run_directory import RunDirectory

BEGUN = {
    "dataset": "/data/posts.jsonl",
    "text_column": "body",
    "backend": "tf",
    "threads": 3,
    "seed": 7,
    "max_steps": 60,
    "warmup_steps": 12,
    "batch_size": 4,
}


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    config = Config(**BEGUN, output_dir=str(path), quiet=True)
    facts = {"config": config.to_dict(), "data": {}, "versions": {"mlm": "0"}}
    RunDirectory.claim(config, "tf").write_facts(facts)
    return str(path)


def test_the_directory_is_enough(run):
    found = with_recorded(Config(output_dir=run, resume=True))
    assert {name: getattr(found, name) for name in BEGUN} == BEGUN
    assert found.resume and not found.quiet


def test_what_is_given_counts(run):
    found = with_recorded(Config(output_dir=run, resume="true", seed="8", batch_size=None))
    assert (found.seed, found.batch_size) == (8, 4)


def test_a_given_default_counts_too(run):
    found = with_recorded(Config(output_dir=run, resume=True, weight_decay=0.01, seed=42))
    assert (found.seed, found.threads) == (42, 3)


def test_another_length_is_one_or_the_other(run):
    found = with_recorded(Config(output_dir=run, resume=True, epochs=5))
    assert (found.epochs, found.max_steps) == (5, None)


def test_another_text_has_columns_of_its_own(run):
    same = with_recorded(Config(output_dir=run, resume=True, dataset="/data/posts.jsonl"))
    other = with_recorded(Config(output_dir=run, resume=True, dataset="/data/other.jsonl"))
    assert same.text_column == "body"
    assert other.text_column is None and other.dataset == "/data/other.jsonl"


def test_a_text_from_python_must_be_passed_again(run):
    record = Path(run) / "run.json"
    facts = json.loads(record.read_text())
    facts["config"] |= {"dataset": None}
    record.write_text(json.dumps(facts | {"data": {"source": "dataset given from Python"}}))
    with pytest.raises(RequestError, match=r"trained on a dataset given from Python.* pass it again"):
        check_text_given(with_recorded(Config(output_dir=run, resume=True)))
    check_text_given(with_recorded(Config(output_dir=run, resume=True, dataset="a.jsonl")))
    check_text_given(with_recorded(Config(output_dir=run, overwrite=True)))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({"dataset": "/a.csv"}, {"dataset": "/a.csv"}, None),
        ({}, {"dataset": "python:reference"}, None),
        ({"dataset": "/a.csv"}, {"dataset": "/b.csv"}, "is now read from source"),
        ({"dataset": "/a.csv"}, {"dataset": "/a.csv", "text_column": "b"}, "source, with --text-column b"),
    ],
)
def test_the_same_text_elsewhere(was, now, said):
    found = text_elsewhere(Config(**was).to_dict(), Config(**now).to_dict(), "source")
    assert (found is None and said is None) or found.endswith(said)


def test_a_new_run_remembers_nothing(run, tmp_path):
    for given in (
        {"output_dir": run, "seed": 3},
        {"output_dir": str(tmp_path / "none"), "resume": True},
        {"seed": 3},
    ):
        config = Config(**given)
        assert with_recorded(config) == config
