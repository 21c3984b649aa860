"""The defaults that help shows are those that a run has."""

import re
from types import SimpleNamespace

import pytest

from mlm_core import Config
from mlm_core.compat.transformers import import_without_frameworks
from mlm_core.model.find_model import find_model
from mlm_core.training.resolve import fit_block_size, fit_warmup, resolve

SOURCE = SimpleNamespace(held_out=None)
LONG = 10**6
"""Steps of a run that caps no warm-up."""


def defaults(**given):
    """What a run without further options has."""
    import_without_frameworks()
    from transformers import AutoConfig

    config = Config(**given)
    files = find_model(config)
    resolved = resolve(config, None, files, SOURCE)
    if files.directory is not None:
        resolved = fit_block_size(resolved, config, AutoConfig.from_pretrained(files.directory))
    return fit_warmup(resolved, config, LONG)


def shown(name, pattern):
    return float(re.search(rf"([\d.e-]+){pattern}", Config.options()[name].shown_default)[1])


@pytest.mark.parametrize("name", ["block_size", "batch_size", "learning_rate", "warmup_steps"])
def test_without_a_model(name):
    assert getattr(defaults(), name) == shown(name, " without --model")
    if name in ("block_size", "batch_size"):
        assert getattr(defaults(from_scratch=True), name) == shown(name, " without --model")


def test_from_scratch():
    made = defaults(from_scratch=True)
    for name, value in (("learning_rate", made.learning_rate), ("warmup_steps", made.warmup_steps)):
        said = re.search(r"with --from-scratch ([\d.e-]+)", Config.options()[name].shown_default)[1]
        assert float(said.rstrip(",")) == value


def test_every_other_default_is_the_one_that_is_shown():
    bare = defaults()
    special = {"block_size", "batch_size", "learning_rate", "warmup_steps"}
    for name, option in Config.options().items():
        if name in special or not re.fullmatch(r"[\d.e-]+", option.shown_default):
            continue
        assert float(option.shown_default) == getattr(bare, name), name
    assert (bare.epochs, bare.test_size) == (3, 0.2)


@pytest.mark.parametrize("name", ["block_size", "batch_size", "learning_rate", "warmup_steps", "epochs"])
def test_the_fallback_is_the_last_that_is_named(name):
    option = Config.options()[name]
    assert float(re.search(r"else ([\d.e-]+)(;|$)", option.shown_default)[1]) == option.fallback


@pytest.mark.parametrize("steps", [5, 50, 111])
def test_a_default_warm_up_is_a_fifth_of_the_run_at_most(steps):
    config = Config(from_scratch=True)
    resolved = resolve(config, None, find_model(config), SOURCE)
    assert fit_warmup(resolved, config, steps).warmup_steps == steps // 5
