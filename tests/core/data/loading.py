"""Loading text as the trainer does, for the tests of this directory."""

import json

from file_kinds import answers_of, sample_rows

from mlm_core import Config
from mlm_core.data.sources import load_source
from mlm_core.progress import Progress

SAMPLE = sample_rows()
ANSWER_TEXTS = [answers_of(row) for row in SAMPLE]
"""The documents of the sample, with `--text-column answers.text`."""


def load(dataset=None, given=None, **options):
    """The source of a path, a name, or a dataset given from Python."""
    config = Config(dataset=None if dataset is None else str(dataset), **options)
    return load_source(config, given, progress=Progress(quiet=True, verbose=False, logging_steps=1))


def texts(dataset, **options):
    """The documents of a path or a name."""
    return list(load(dataset, **options).documents)


def said(capsys, path, **options):
    """The documents, and what is said about them."""
    progress = Progress(quiet=False, verbose=False, logging_steps=1)
    documents = list(load_source(Config(dataset=str(path), **options), progress=progress).documents)
    return documents, " ".join(capsys.readouterr().err.split())


def rows(path, *objects):
    """Write one JSON object a line."""
    path.write_text("\n".join(json.dumps(item) for item in objects), encoding="utf-8")
    return path
