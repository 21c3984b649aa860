"""Constants of the tests of `mlm push`."""

from mlm_core import Config

RECORD = {"config": Config().to_dict(), "data": {}, "versions": {"mlm": "0"}, "results": {}}
"""The `run.json` of a run."""

READER = "hf_readerOfTheTests"
"""A token that may only read."""

REPOSITORY = "org/tiny"
