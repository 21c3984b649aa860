"""Permissions and publishing come from the words of this start, never from a file."""

import json

import pytest

from mlm_core import Config, RequestError
from mlm_core.training.recorded_options import not_taken, with_recorded

GIVEN_AWAY = {
    "model": "/their/model",
    "trust_remote_code": True,
    "allow_pickle": True,
    "push_to_hub": True,
    "hub_model_id": "they/chose",
    "hub_private": False,
    "hub_strategy": "checkpoint",
    "seed": 7,
}


@pytest.fixture
def run(tmp_path):
    facts = {"config": GIVEN_AWAY, "data": {}, "versions": {"mlm": "0"}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    return str(tmp_path)


def test_nothing_that_is_per_start_is_taken_from_a_record(run):
    found = with_recorded(Config(output_dir=run, resume=True))
    assert (found.model, found.seed) == ("/their/model", 7)
    for name, spec in Config.options().items():
        if spec.per_start and name not in ("output_dir", "resume"):
            assert getattr(found, name) == spec.default, name
    # Everything that permits or publishes is such an option.
    assert {name for name in GIVEN_AWAY if Config.options()[name].per_start} == GIVEN_AWAY.keys() - {
        "model",
        "seed",
    }


def test_what_is_not_taken_is_said(run):
    said = " ".join(not_taken(with_recorded(Config(output_dir=run, resume=True))))
    for flag in ("--push-to-hub", "--trust-remote-code", "--allow-pickle"):
        assert flag in said
    own = Config(
        output_dir=run, resume=True, model="mine", trust_remote_code=True, allow_pickle=True, push_to_hub=True
    )
    assert not_taken(with_recorded(own)) == []


@pytest.mark.parametrize("name", ["trust_remote_code", "allow_pickle"])
def test_a_permission_is_for_a_model_that_is_named(run, name):
    with pytest.raises(RequestError, match="requires --model"):
        with_recorded(Config(output_dir=run, resume=True, **{name: True}))
    found = with_recorded(Config(output_dir=run, resume=True, model="mine", **{name: True}))
    assert found.model == "mine" and getattr(found, name)


def test_replace_does_not_make_defaults_given(run):
    from dataclasses import replace

    config = replace(Config(output_dir=run, resume=True), quiet=True)
    assert config.given == {"output_dir", "resume", "quiet"}
    assert with_recorded(config).seed == 7
