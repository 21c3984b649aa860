"""`mlm train`, the command, on every kind of file."""

import json

import pytest
from conftest import THREADS
from file_kinds import ANSWERS, WRITERS, as_lines, as_text, compressed, sample_rows

from mlm_core.__main__ import main


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same documents in every kind of file, by name."""
    directory, rows = tmp_path_factory.mktemp("texts"), sample_rows()
    found = {}
    for suffix, write in (WRITERS | {".txt": as_text}).items():
        found[suffix] = directory / f"posts{suffix}"
        write(found[suffix], rows)
    found["gz"] = compressed(found[".jsonl"], ".gz")
    parts = directory / "parts"
    parts.mkdir()
    for part in range(3):
        as_lines(parts / f"part-{part}.jsonl", rows[16 * part : 16 * (part + 1)])
    return found | {"directory": parts, "glob": parts / "part-*.jsonl"}


@pytest.mark.parametrize(
    "place", [".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow", ".txt", "gz", "directory", "glob"]
)
def test_train_on_it(engine, lab, places, tmp_path, capsys, place):
    words = ["train", "--backend", engine.name, "--dataset", places[place], "--text-column", ANSWERS]
    words += ["--model", lab.model("roberta"), "--epochs", 1, "--output-dir", tmp_path / "run", "--json"]
    assert main([*map(str, words), "--threads", str(THREADS), "--device", lab.device]) == 0
    out, err = capsys.readouterr()
    results = json.loads(out)
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert results["steps"] > 10 and results["perplexity"] < results["perplexity_before"]
    assert facts["data"]["documents"] == 48
    assert "training text: 38 documents, " in err and "held-out text: 10 documents, " in err
    # Plain text has lost its line breaks; every other kind gives the same run.
    if place != ".txt":
        assert facts["data"]["train_blocks"] == _blocks(places, lab)


def _blocks(places, lab):
    from mlm_core import Config
    from mlm_core.data.sources import load_source
    from mlm_core.progress import Progress
    from mlm_core.training.setup import training_setup

    config = Config(
        dataset=str(places[".jsonl"]), text_column=ANSWERS, model=str(lab.model("roberta")), quiet=True
    )
    progress = Progress.of(config)
    return len(training_setup(config, load_source(config, progress=progress), progress).train.blocks)
